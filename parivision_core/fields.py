"""The fields of a sport's request as columns: how bulk requests, as objects or as Arrow columns, become arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal, cast

import msgspec
import numpy as np
from msgspec import inspect

from parivision_core.arrays import Array, Bools, Columns
from parivision_core.arrow import Column, ColumnError

FieldKind = Literal["number", "whole number", "yes or no", "word", "text", "list"]

_NOT_GIVEN: dict[FieldKind, Any] = {"number": 0.0, "whole number": 0, "yes or no": -1, "text": ""}
_HELD_BY: dict[FieldKind, str] = {"number": "number", "whole number": "number", "yes or no": "yes or no"}
"""Kind of Arrow column that holds a field; all other fields are text."""
_PLURAL = {"number": "numbers", "yes or no": "booleans", "text": "text"}


@dataclass(frozen=True)
class RequestField:
    """One field of a request."""

    name: str
    kind: FieldKind
    required: bool
    type: Any
    """Annotation, as msgspec takes it."""
    bounds: tuple[tuple[str, float], ...]
    """Comparisons that a number must pass: the name of numpy's function, and the limit."""
    codes: Mapping[Any, int]
    """The members of an enum, and their values, -> their number from 1; None -> 0."""
    description: str
    examples: tuple[Any, ...]

    def column(self, values: list[Any]) -> Array:
        """Values of requests, (n,), as `Sport.prepare_many` takes them."""
        if self.kind == "word":
            return np.fromiter(map(self.codes.__getitem__, values), dtype=np.int64, count=len(values))
        if self.kind == "list":
            return np.fromiter(values, dtype=object, count=len(values))
        if not self.required:
            missing = _NOT_GIVEN[self.kind]
            values = [missing if value is None else value for value in values]
        return np.array(values, dtype=_DTYPES[self.kind])

    def read(self, column: Column) -> tuple[Array, Bools]:
        """An Arrow column's values (n,) as `Sport.prepare_many` takes them, and which of them are invalid, (n,).

        Invalid values are returned as if left out. Raises ColumnError for a column that can't hold the field.
        """
        expected = _HELD_BY.get(self.kind, "text")
        if column.kind not in (expected, "nothing"):
            raise ColumnError(self.name, f"a column of {_PLURAL[column.kind]} can't hold it; send {_PLURAL[expected]}")
        known = np.ones(len(column.values), dtype=np.bool_) if column.known is None else column.known
        wrong = ~known & self.required
        missing = 0 if self.kind == "word" else _NOT_GIVEN[self.kind]
        if column.kind == "nothing":
            return np.full(len(known), missing, dtype=_DTYPES[self.kind]), wrong
        values, right = self._texts(column) if expected == "text" else self._numbers(column.values)
        wrong |= known & ~right
        return np.where(known & right, values, missing).astype(_DTYPES[self.kind], copy=False), wrong

    def _texts(self, column: Column) -> tuple[Array, Bools]:
        if self.kind == "word":
            codes = np.array([*(self.codes.get(word, 0) for word in column.words), 0])[column.values]
            return codes, codes > 0
        right = np.array([*(_fits(word, self.type) for word in column.words), False])
        return np.array([*column.words, ""], dtype=object)[column.values], right[column.values]

    def _numbers(self, values: Array) -> tuple[Array, Bools]:
        right = np.ones(len(values), dtype=np.bool_)
        if values.dtype.kind == "f":
            values = values.astype(np.float64)  # in half precision the limits themselves would be rounded
            right &= np.isfinite(values)
            if self.kind == "whole number":
                right &= values == np.floor(values)
        for comparison, bound in self.bounds:
            right &= getattr(np, comparison)(values, bound)
        return values, right


_DTYPES: dict[FieldKind, Any] = {
    "number": np.float64, "whole number": np.int64, "yes or no": np.int64, "word": np.int64, "text": object,
}  # fmt: skip


def fields_of(request: type[msgspec.Struct]) -> tuple[RequestField, ...]:
    """The fields of a request, in their order."""
    described = cast("inspect.StructType", inspect.type_info(request))
    types = {field.encode_name: field.type for field in msgspec.structs.fields(request)}
    return tuple(_field(field, types[field.encode_name]) for field in described.fields)


def columns_of(fields: Sequence[RequestField], requests: Sequence[Any]) -> Columns:
    """Columns (n,) of requests; a list that no request has is left out."""
    columns = {}
    for field in fields:
        values = list(map(attrgetter(field.name), requests))
        if field.kind != "list" or any(values):
            columns[field.name] = field.column(values)
    return columns


def _field(field: inspect.Field, annotation: Any) -> RequestField:
    of = field.type
    if isinstance(of, inspect.UnionType):
        of = next(kind for kind in of.types if not isinstance(kind, inspect.NoneType))
    schema: dict[str, Any] = {}
    while isinstance(of, inspect.Metadata):
        schema = (of.extra_json_schema or {}) | schema
        of = of.type
    bounds: list[tuple[str, float]] = []
    codes: dict[Any, int] = {}
    match of:
        case inspect.FloatType() | inspect.IntType():
            kind: FieldKind = "number" if isinstance(of, inspect.FloatType) else "whole number"
            limits = ("greater", of.gt), ("greater_equal", of.ge), ("less", of.lt), ("less_equal", of.le)
            bounds = [(comparison, limit) for comparison, limit in limits if limit is not None]
        case inspect.BoolType():
            kind = "yes or no"
        case inspect.EnumType():
            kind, codes = "word", {None: 0}
            for number, member in enumerate(of.cls, start=1):
                codes |= {member.value: number, member: number}  # one entry where a member equals its value
        case inspect.StrType():
            kind = "text"
        case inspect.ListType():
            kind = "list"
        case _:
            raise TypeError(f"a request's field {field.name!r} of type {of} can't be a column")
    examples = tuple(schema.get("examples", ())) or tuple(code for code in codes if type(code) is str)[:1]
    return RequestField(
        name=field.encode_name,
        kind=kind,
        required=field.required,
        type=annotation,
        bounds=tuple(bounds),
        codes=codes,
        description=schema.get("description", ""),
        examples=examples,
    )


def _fits(word: str, kind: Any) -> bool:
    try:
        msgspec.convert(word, kind)
    except msgspec.ValidationError:
        return False
    return True
