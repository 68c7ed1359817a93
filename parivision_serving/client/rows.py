"""Reads files of shots row by row: csv, json (a list of objects), jsonl and Arrow (.arrow, .feather, .arrows, .ipc)."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from parivision_core.problems import PariVisionError
from parivision_core.sport import FieldProblem
from parivision_serving.client.fields import InputField, from_texts

ARROW = (".arrow", ".arrows", ".feather", ".ipc")
FILE_MAGIC, STREAM_MAGIC = b"ARROW1", b"\xff\xff\xff\xff"
ROW = "row"
"""In place of a field's name when the row as a whole is wrong."""


class FileError(PariVisionError):
    """A file can't be read as shots, or answers can't be written to it."""


@dataclass(frozen=True)
class Row:
    """One shot of a file."""

    number: int
    """Counted from 1, without a header."""
    values: dict[str, Any]
    """The request's fields as JSON has them."""
    problems: list[FieldProblem]
    """Why it is no valid request; such a row isn't sent."""
    request: msgspec.Struct | None
    """None when there are problems."""


@dataclass(frozen=True)
class RowSource:
    """A file that is being read."""

    total: int
    """How many rows it has; for a csv an upper bound, for line breaks within cells count too."""
    columns: list[str] | None
    """The fields that its rows may have; None where each row names its own."""
    rows: Iterator[Row]

    def chunks(self, size: int) -> Iterator[list[Row]]:
        """The rows in order, `size` at a time."""
        while chunk := list(islice(self.rows, size)):
            yield chunk


@contextmanager
def opened(path: Path, kind: type[msgspec.Struct], fields: Mapping[str, InputField]) -> Iterator[RowSource]:
    """Read a file as requests of a kind.

    Raises FileError when it is of no known kind, can't be read, or has a column that is no field of the request.
    """
    readers = {".csv": _csv, ".json": _json, ".jsonl": _jsonl} | dict.fromkeys(ARROW, _arrow)
    if path.suffix.lower() not in readers:
        raise FileError(f"{path} is of an unknown kind: known are {', '.join(readers)}")
    try:
        total, columns, records = readers[path.suffix.lower()](path, fields)
    except OSError as error:
        raise FileError(f"{path} can't be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{path} is no text in UTF-8 with rows and cells: {error}") from error
    for column in columns or ():
        if column not in fields:
            raise FileError(f"{path}: there is no field {column!r} in a request; known are {', '.join(fields)}")
    try:
        yield RowSource(total, columns, (_row(i, record, kind) for i, record in enumerate(records, start=1)))
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{path} is no text in UTF-8 with rows and cells: {error}") from error


def _row(number: int, record: Any, kind: type[msgspec.Struct]) -> Row:
    """A record as a row, with its problems worded as by the service."""
    if isinstance(record, FieldProblem):
        return Row(number, {}, [record], None)
    try:
        return Row(number, record, [], msgspec.convert(record, kind))
    except msgspec.ValidationError as error:
        from parivision_serving.web.body import field_problems  # noqa: PLC0415 - it brings Litestar, for bad rows alone

        values = record if isinstance(record, dict) else {}
        return Row(number, values, field_problems(msgspec.json.encode(record), kind, error), None)


Read = tuple[int, list[str] | None, Iterator[Any]]


def _csv(path: Path, fields: Mapping[str, InputField]) -> Read:
    with path.open(encoding="utf-8-sig", newline="") as file:
        columns = next(csv.reader(file), None)
    if not columns:
        raise FileError(f"{path} is empty: its first line must name the columns")

    def records() -> Iterator[Any]:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for record in csv.DictReader(file, restval=""):
                if None in record:
                    yield FieldProblem(
                        ROW, f"it has {len(columns) + len(record[None])} cells for {len(columns)} columns"
                    )
                else:
                    yield from_texts(record, fields)

    return max(_lines(path) - 1, 0), columns, records()


def _json(path: Path, _: Mapping[str, InputField]) -> Read:
    try:
        records = msgspec.json.decode(path.read_bytes(), type=list[Any])
    except msgspec.DecodeError as error:
        raise FileError(f"{path} is no JSON list of objects ({error}); one object a line is .jsonl") from error
    return len(records), None, iter(records)


def _jsonl(path: Path, _: Mapping[str, InputField]) -> Read:
    def records() -> Iterator[Any]:
        with path.open("rb") as file:
            for line in file:
                if line.strip():
                    try:
                        yield msgspec.json.decode(line)
                    except msgspec.DecodeError as error:
                        yield FieldProblem(ROW, str(error))

    return _lines(path), None, records()


def _arrow(path: Path, _: Mapping[str, InputField]) -> Read:
    from arro3.io import read_ipc, read_ipc_stream  # noqa: PLC0415 - only files of Arrow need it

    with path.open("rb") as file:
        start = file.read(6)
    # Checked by content: arro3 would read the first bytes of anything else as a size, and reserve gigabytes.
    if start != FILE_MAGIC and start[:4] != STREAM_MAGIC:
        raise FileError(f"{path} is no Arrow file: it begins with {start!r}")
    try:
        table = (read_ipc if start == FILE_MAGIC else read_ipc_stream)(path).read_all()
        columns = [column.to_pylist() for column in table.columns]
    except Exception as error:  # arro3 raises plain exceptions
        raise FileError(f"{path} is no Arrow file: {error}") from error
    names: list[str] = table.schema.names
    records = (
        {n: v for n, v in zip(names, cells, strict=True) if v is not None} for cells in zip(*columns, strict=True)
    )
    return table.num_rows, names, records


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))
