"""Reads the rows of a bulk request, JSON or Arrow, piece by piece: sound rows as columns, refused rows with reasons.

A row is refused for exactly the reasons for which a single request would be, in the same words: rows that look doubtful
in their columns are written as JSON and checked like single requests.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from parivision_core import arrow
from parivision_core.arrays import Columns
from parivision_core.fields import columns_of, fields_of
from parivision_core.sport import FieldProblem, Sport
from parivision_serving.prediction.json_pieces import PIECE_BYTES, pieces
from parivision_serving.web.body import field_problems
from parivision_serving.web.problems import BODY, MOST_ERRORS, InvalidRequestError, TooLargeError, shortened

MOST_ROWS = 100_000
ARROW_ROWS = 2_000
"""Rows of an Arrow stream that are worked on at once: more would be no faster and delay single predictions."""
LARGEST_ROW = 64 * 1024
"""Bytes of JSON, the limit of a single request. Decoded, a row may take twenty times as much."""
SHOWN_IN_FULL = 1_000
"""Refused rows whose errors are all listed. Further rows list their first error alone: errors are longer than rows, and
the answer would have many times the size of the request."""

_TOO_LONG = f"a bulk request has at most {MOST_ROWS} rows; send it in parts"
_NO_COLUMN = "lists can't be sent as a column; send shots with it as JSON"
_BYTE = re.compile(r"\(byte (\d+)\)")


class RowProblem(msgspec.Struct, frozen=True):
    """Why a row has no prediction."""

    row: int
    """Counted from 0."""
    errors: list[FieldProblem]


class _Refusals:
    """Describes the refused rows of one bulk request, the first ones in full."""

    def __init__(self) -> None:
        self._count = 0

    def of(self, row: int, errors: list[FieldProblem]) -> RowProblem:
        """A row with its errors, or with a part of them."""
        self._count += 1
        if self._count <= SHOWN_IN_FULL:
            return RowProblem(row, errors[:MOST_ERRORS])
        return RowProblem(row, [FieldProblem(errors[0].field, shortened(errors[0].message))])


@dataclass(frozen=True)
class Piece:
    """Consecutive rows of a bulk request."""

    rows: int
    sound: NDArray[np.int64]
    """Rows that can be predicted, counted from the piece's first."""
    columns: Columns
    """The columns of the sound rows, for `Sport.prepare_many`."""
    refused: list[RowProblem]
    """The other rows, counted from the request's first."""


class BulkRows:
    """Reads bulk requests of one sport."""

    def __init__(self, sport: Sport) -> None:
        self._sport = sport
        self._fields = fields_of(sport.request)
        self._lists = {field.name for field in self._fields if field.kind == "list"}
        self._one = msgspec.json.Decoder(sport.request).decode
        self._many = msgspec.json.Decoder(list[sport.request]).decode  # type: ignore[name-defined]
        self._raw = msgspec.json.Decoder(list[msgspec.Raw]).decode

    def from_json(self, body: bytes) -> Iterator[Piece]:
        """The rows of a JSON array.

        Raises InvalidRequestError for a body that is no JSON array, TooLargeError for too many rows.
        """
        if not body.lstrip().startswith(b"["):
            raise InvalidRequestError([FieldProblem(BODY, "the body must be a JSON array of objects")])
        first, refusals = 0, _Refusals()
        for number, (begins, text) in enumerate(pieces(body)):
            try:
                # A longer piece holds a row that is refused for its size: never decode it as a whole.
                requests = self._many(text) if len(text) <= PIECE_BYTES + LARGEST_ROW else None
            except (msgspec.DecodeError, RecursionError):
                requests = None
            if requests is None:
                piece = self._examined(first, self._undecoded(text, begins), refusals)
            else:
                piece = self._typed(first, requests, refusals)
            if number and not (first and piece.rows):  # only an empty array has an empty piece
                raise InvalidRequestError([FieldProblem(BODY, f"JSON is malformed: no value at byte {begins}")])
            if first + piece.rows > MOST_ROWS:
                raise TooLargeError(_TOO_LONG)
            yield piece
            first += piece.rows

    def from_arrow(self, body: bytes) -> Iterator[Piece]:
        """The rows of an Arrow IPC stream.

        Raises InvalidRequestError for a body that is no such stream or has unknown columns, TooLargeError for too many
        rows.
        """
        first, refusals = 0, _Refusals()
        try:
            tables = arrow.read(body, MOST_ROWS)
            columns = next(tables)
            self._check_columns(columns)
            for table in arrow.joined(chain([columns], tables), ARROW_ROWS):
                yield from self._arrow_pieces(first, table, refusals)
                first += len(next(iter(table.values())).values)
        except arrow.TooManyRowsError:
            raise TooLargeError(_TOO_LONG) from None
        except arrow.ColumnError as error:
            message = _NO_COLUMN if error.column in self._lists else error.message
            raise InvalidRequestError([FieldProblem(error.column or BODY, message)]) from None
        except arrow.StreamError as error:
            raise InvalidRequestError([FieldProblem(BODY, str(error))]) from None

    def _undecoded(self, text: bytes, begins: int) -> list[msgspec.Raw]:
        try:
            return self._raw(text)
        except (msgspec.DecodeError, RecursionError) as error:
            # Byte numbers count from the body's begin; a piece starts with a bracket in place of the body's comma.
            message = _BYTE.sub(lambda found: f"(byte {begins - 1 + int(found[1])})", str(error))
            raise InvalidRequestError([FieldProblem(BODY, message)]) from None

    def _examine(self, body: bytes) -> tuple[Any, list[FieldProblem]]:
        """One request and its errors; with errors the request may be None."""
        if len(body) > LARGEST_ROW:
            return None, [FieldProblem(BODY, f"it has {len(body)} bytes; a single request has at most {LARGEST_ROW}")]
        try:
            request = self._one(body)
        except (msgspec.DecodeError, RecursionError) as error:
            return None, field_problems(body, self._sport.request, error)
        return request, self._sport.problems(request)

    def _typed(self, first: int, requests: list[Any], refusals: _Refusals) -> Piece:
        """A piece of requests whose fields are valid, but may contradict each other."""
        columns = columns_of(self._fields, requests)
        doubtful = np.flatnonzero(self._sport.doubtful(columns)).tolist()
        found = ((row, self._sport.problems(requests[row])) for row in doubtful)
        refused = [refusals.of(first + row, errors) for row, errors in found if errors]
        return _piece(len(requests), columns, refused, first)

    def _examined(self, first: int, raws: list[msgspec.Raw], refusals: _Refusals) -> Piece:
        """A piece of elements of which at least one is no valid request."""
        sound, requests, refused = [], [], []
        for row, raw in enumerate(raws):
            request, errors = self._examine(bytes(raw))
            if errors:
                refused.append(refusals.of(first + row, errors))
            else:
                sound.append(row)
                requests.append(request)
        return Piece(len(raws), np.array(sound, dtype=np.int64), columns_of(self._fields, requests), refused)

    def _check_columns(self, table: dict[str, arrow.Column]) -> None:
        """Raise InvalidRequestError unless each column is a field, and each required field a column."""
        fields = {field.name: field for field in self._fields}
        found = [
            FieldProblem(name, "there is no such field; known are " + ", ".join(fields))
            for name in table.keys() - fields
        ]
        found += [FieldProblem(name, _NO_COLUMN) for name in sorted(self._lists & table.keys())]
        found += [
            FieldProblem(field.name, "this column is missing")
            for field in self._fields
            if field.required and field.name not in table
        ]
        if found:
            raise InvalidRequestError(found)

    def _arrow_pieces(self, first: int, table: dict[str, arrow.Column], refusals: _Refusals) -> Iterator[Piece]:
        rows = len(next(iter(table.values())).values)
        missing = arrow.Column("nothing", np.zeros(rows), np.zeros(rows, dtype=np.bool_))
        wrong = np.zeros(rows, dtype=np.bool_)
        columns: Columns = {}
        for field in self._fields:
            if field.kind != "list":
                columns[field.name], here = field.read(table.get(field.name, missing))
                wrong |= here
        wrong_or_doubtful = wrong | self._sport.doubtful(columns)
        for start in range(0, rows, ARROW_ROWS):
            part = slice(start, start + ARROW_ROWS)
            refused = []
            for row in (start + np.flatnonzero(wrong_or_doubtful[part])).tolist():
                request, errors = self._examine_columns(table, row)
                if errors:
                    refused.append(refusals.of(first + row, errors))
                elif wrong[row]:
                    raise ValueError(f"row {first + row} is valid, but its columns were read wrongly: {request}")
            some = {name: column[part] for name, column in columns.items()}
            yield _piece(min(rows - start, ARROW_ROWS), some, refused, first + start)

    def _examine_columns(self, table: dict[str, arrow.Column], row: int) -> tuple[Any, list[FieldProblem]]:
        values = {name: column.value(row) for name, column in table.items()}
        given = {name: value for name, value in values.items() if value is not None}
        endless = [name for name, value in given.items() if isinstance(value, float) and not math.isfinite(value)]
        if endless:
            return None, [FieldProblem(name, "this number is not finite; null leaves a field out") for name in endless]
        for field in self._fields:
            value = given.get(field.name)
            if field.kind == "whole number" and isinstance(value, float) and value.is_integer():
                given[field.name] = int(value)
        return self._examine(msgspec.json.encode(given))


def _piece(rows: int, columns: Columns, refused: list[RowProblem], first: int) -> Piece:
    """A piece of columns (rows,), of which some rows are refused."""
    sound = np.arange(rows)
    if refused:
        sound = np.delete(sound, [problem.row - first for problem in refused])
        columns = {name: column[sound] for name, column in columns.items()}
    return Piece(rows, sound, columns, refused)
