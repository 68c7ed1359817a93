"""Keeps the listing of announced batches over a restart: to compute it again, each season would have to be replayed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from parivision_core.checksums import sealed_json, unsealed_json
from parivision_serving.virtual_bets.schemas import ListedBatch

FILE = "listed_batches.jsonl"


class ListedBatches:
    """The listing by cursor, and its file: one line names the source, then comes one for each batch.

    It is a cache: what can't be read from the file is computed again, what can't be written stays in memory.
    """

    def __init__(self, folder: Path, source: str) -> None:
        """Read the file if it belongs to this source; else the next batch replaces it."""
        self._path, self._source = folder / FILE, source
        self._batches: dict[int, ListedBatch] = {}
        self._sound = self._read()

    def get(self, cursor: int) -> ListedBatch | None:
        """The batch of a cursor, if it was listed before."""
        return self._batches.get(cursor)

    def add(self, batch: ListedBatch) -> None:
        """Remember a batch."""
        self._batches[batch.cursor] = batch
        lines: list[str | ListedBatch] = [batch] if self._sound else [self._source, *self._batches.values()]
        # A full disk isn't reported here: the state file, which must be written, reports it.
        with suppress(OSError), self._path.open("ab" if self._sound else "wb") as file:
            file.writelines(map(_line, lines))
            self._sound = True

    def _read(self) -> bool:
        """Whether the file belongs to this source and is complete, so that lines may be appended."""
        try:
            source, *lines = self._path.read_bytes().splitlines(keepends=True)
            if source != _line(self._source):
                return False
            for line in lines:
                if not line.endswith(b"\n"):  # cut off, as after a crash
                    return False
                batch = msgspec.json.decode(unsealed_json(line.rstrip()), type=ListedBatch)
                self._batches[batch.cursor] = batch
        except (OSError, ValueError):  # missing, empty, or not written by this class
            return False
        return True


def _line(value: str | ListedBatch) -> bytes:
    text = msgspec.json.encode(value)
    return (text if isinstance(value, str) else sealed_json(text)) + b"\n"
