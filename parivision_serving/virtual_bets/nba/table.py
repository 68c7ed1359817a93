"""Reads the rows of a season file, csv or zipped, again and again without holding them."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from parivision_core.nba.shots.source.layouts import recognise
from parivision_core.problems import BatchError

Row = dict[str, str]


class SeasonTable:
    """The rows of a file in one of the known layouts."""

    def __init__(self, path: Path) -> None:
        """Raise BatchError when the file is no csv in a known layout."""
        self.path = path
        with self._lines() as lines:
            self._header = [name.strip() for name in next(lines, [])]
        self.layout = recognise(self._header)

    def __iter__(self) -> Iterator[Row]:
        """Each row by column; a short row lacks the last ones."""
        with self._lines() as lines:
            next(lines)
            for values in lines:
                yield dict(zip(self._header, values, strict=False))

    @contextmanager
    def _lines(self) -> Iterator[Iterator[list[str]]]:
        try:
            if not zipfile.is_zipfile(self.path):
                with self.path.open(encoding="utf-8-sig", newline="") as text:
                    yield csv.reader(text)
                return
            with zipfile.ZipFile(self.path) as archive:
                # A Mac adds a copy of each file that holds no rows.
                found = [n for n in archive.namelist() if n.lower().endswith(".csv") and not n.startswith("__MACOSX")]
                if len(found) != 1:
                    raise BatchError(f"the archive holds {len(found)} csv files; it must hold one")
                with archive.open(found[0]) as member:
                    yield csv.reader(io.TextIOWrapper(member, encoding="utf-8-sig", newline=""))
        except (UnicodeDecodeError, csv.Error, zipfile.BadZipFile) as error:
            raise BatchError(f"the file can't be read as csv: {error}") from error
