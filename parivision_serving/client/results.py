"""Writes each row with its answer or its problem, as csv or jsonl."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

import msgspec

from parivision_core.sport import FieldProblem
from parivision_serving.client.rows import FileError, Row

SUFFIXES = (".csv", ".jsonl")
ANSWERED = ("probability", "expected_points", "league_average")
TRACE = ("prediction_id", "champion_version")


class Answer(msgspec.Struct, frozen=True):
    """The prediction for one row."""

    probability: float
    expected_points: float
    league_average: float


class Result(msgspec.Struct, frozen=True):
    """A row with its answer, or with its problems."""

    row: Row
    answer: Answer | None = None
    prediction_id: str | None = None
    champion_version: int | None = None
    problems: Sequence[FieldProblem] = ()

    def record(self) -> dict[str, Any]:
        """The row's own values, then the answer."""
        answer = {name: getattr(self.answer, name, None) for name in ANSWERED}
        trace = {name: getattr(self, name) for name in TRACE}
        problem = "; ".join(f"{p.field}: {p.message}" for p in self.problems) or None
        return {"row": self.row.number, **self.row.values, **answer, **trace, "problem": problem}


class Results:
    """Writes results as they come. The file is created with the first, so that a failed call keeps an old one."""

    def __init__(self, path: Path | None, columns: Sequence[str]) -> None:
        """`columns` are the request's fields in a csv. Without a path jsonl goes to standard output.

        Raises FileError for a kind of file that isn't written.
        """
        if path and path.suffix.lower() not in SUFFIXES:
            raise FileError(f"{path}: answers can be written as {' or '.join(SUFFIXES)}")
        self._path, self._columns = path, columns
        self._file: TextIO | None = None
        self._put: Callable[[dict[str, Any]], Any]

    def write(self, results: Iterable[Result]) -> None:
        """Write results and flush them, so that they survive this process.

        Raises FileError when the file can't be written.
        """
        try:
            if self._file is None:
                self._file = self._open()
            for result in results:
                self._put(result.record())
            self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise FileError(f"{self._path or 'the output'} can't be written: {error.strerror or error}") from error

    def close(self) -> None:
        """Close the file."""
        if self._file is not None and self._path:
            self._file.close()

    def _open(self) -> TextIO:
        file = self._path.open("w", encoding="utf-8", newline="") if self._path else sys.stdout
        if self._path and self._path.suffix.lower() == ".csv":
            columns = ["row", *self._columns, *ANSWERED, *TRACE, "problem"]
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            self._put = lambda record: writer.writerow({k: _cell(v) for k, v in record.items()})
        else:
            self._put = lambda record: file.write(msgspec.json.encode(record).decode() + "\n")
        return file


def _cell(value: Any) -> Any:
    """Lists and flags as JSON writes them: a csv of answers can be sent again."""
    return msgspec.json.encode(value).decode() if isinstance(value, list | dict | bool) else value
