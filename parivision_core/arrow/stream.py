"""Reads the messages of an Arrow IPC stream: schema, dictionaries and record batches; nothing in them is trusted."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from parivision_core.arrow.columns import (
    BOOLEAN,
    FLOAT,
    INTEGER,
    LARGE_TEXT,
    LONGEST_TEXT,
    NULL,
    TEXT,
    TEXT_VIEW,
    Body,
    Column,
    ColumnError,
    StreamError,
    Type,
)
from parivision_core.arrow.flatbuffer import FlatbufferError, FlatTable

MOST_COLUMNS = 100
MOST_MESSAGES = 2_000
MOST_WORDS = 100_000
"""Entries of a dictionary."""
LONGEST_METADATA = 1024 * 1024
"""Bytes of a message before its body; a hundred columns take some 20,000."""

_CONTINUATION = b"\xff\xff\xff\xff"
_FILE_MAGIC = b"ARROW1"
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3
_FLOATS = tuple(map(np.dtype, ("<f2", "<f4", "<f8")))
_UNSUPPORTED = {
    4: "binary", 7: "decimal", 8: "date", 9: "time", 10: "timestamp", 11: "interval", 12: "list", 13: "struct",
    14: "union", 15: "binary", 16: "list", 17: "map", 18: "duration", 19: "binary", 21: "list", 22: "run-end encoded",
    23: "binary", 25: "list", 26: "list",
}  # fmt: skip
"""Arrow's numbers of the types that aren't supported -> their names for people."""
_ENDS_EARLY = "the Arrow stream ends in the middle of a message"


class TooManyRowsError(StreamError):
    """The stream holds more rows than allowed."""


@dataclass(frozen=True)
class _SchemaField:
    name: str
    type: Type
    """Type of its values, also when they lie in a dictionary."""
    index: Type | None
    """Type of the indices into its dictionary, if it has one."""
    dictionary: int


@dataclass(frozen=True)
class _Message:
    kind: int
    header: FlatTable
    body: memoryview


def read(stream: bytes, most_rows: int) -> Iterator[dict[str, Column]]:
    """The stream's batches in their order, as columns by name; the first one has no rows and declares the columns.

    Raises StreamError saying what is wrong with the stream, ColumnError where it is one column, and TooManyRowsError
    when there are more than `most_rows`. Batches yielded before that are correct, but not all of the stream.
    """
    try:
        yield from _read(stream, most_rows)
    except FlatbufferError as error:
        raise StreamError(f"the Arrow stream is damaged: {error}") from None


def _read(stream: bytes, most_rows: int) -> Iterator[dict[str, Column]]:
    messages = _messages(stream)
    first = next(messages, None)
    if first is None or first.kind != _SCHEMA:
        raise StreamError("the Arrow stream has no schema at its beginning")
    fields = _schema(first.header)
    yield {field.name: _empty(field.type) for field in fields}
    dictionaries: dict[int, Column] = {}
    rows = 0
    for message in messages:
        if message.kind == _DICTIONARY:
            _keep_dictionary(message, fields, dictionaries)
        elif message.kind == _BATCH:
            rows += (length := _length(message.header))
            if rows > most_rows:
                raise TooManyRowsError(f"the Arrow stream has more than {most_rows} rows")
            yield _batch(message, length, fields, dictionaries)
        else:
            raise StreamError(f"the Arrow stream holds a message of an unknown kind ({message.kind})")


def _messages(stream: bytes) -> Iterator[_Message]:
    if stream.startswith(_FILE_MAGIC):
        raise StreamError("this is an Arrow file (Feather); send the stream format")
    whole, at = memoryview(stream), 0
    for _ in range(MOST_MESSAGES):
        if at and at == len(stream):
            raise StreamError("the Arrow stream has no end marker: it was cut off, or its writer wasn't closed")
        if stream[at : at + 4] != _CONTINUATION:
            raise StreamError(f"this is no Arrow stream: no message begins at byte {at}")
        if at + 8 > len(stream):
            raise StreamError(_ENDS_EARLY)
        (size,) = struct.unpack_from("<i", stream, at + 4)
        start = at + 8
        if size == 0:
            if start != len(stream):
                raise StreamError(f"something follows the end of the Arrow stream at byte {start}")
            return
        if size > LONGEST_METADATA:
            raise StreamError(f"the Arrow stream has {size} bytes of metadata; at most {LONGEST_METADATA} are read")
        if size < 0 or start + size > len(stream):
            raise StreamError(_ENDS_EARLY)
        message = FlatTable.root(stream[start : start + size])
        header, length = message.table(2), message.number(3, "q")
        at = start + size + length
        if header is None or length < 0:
            raise StreamError("the Arrow stream is damaged: a message doesn't declare its content")
        if at > len(stream):
            raise StreamError(_ENDS_EARLY)
        yield _Message(message.number(1, "B"), header, whole[start + size : at])
    raise StreamError(f"the Arrow stream has more than {MOST_MESSAGES} messages; write more rows into each batch")


def _schema(schema: FlatTable) -> list[_SchemaField]:
    if schema.number(0, "h"):
        raise StreamError("the Arrow stream is big-endian; send it little-endian")
    fields: dict[str, _SchemaField] = {}
    for field in schema.tables(1):
        name, encoding = field.text(0, LONGEST_TEXT), field.table(4)
        if name in fields:
            raise ColumnError(name, "two columns have this name")
        if len(fields) == MOST_COLUMNS:
            raise StreamError(f"the Arrow stream has more than {MOST_COLUMNS} columns")
        index = None
        if encoding is not None:
            width = encoding.table(1)
            index = Type(INTEGER, np.dtype("<i4") if width is None else _integer(width))
        fields[name] = _SchemaField(name, _type(name, field), index, encoding.number(0, "q") if encoding else 0)
    return list(fields.values())


def _type(name: str, field: FlatTable) -> Type:
    number, details = field.number(2, "B"), field.table(3)
    if number in (NULL, BOOLEAN, TEXT, LARGE_TEXT, TEXT_VIEW):
        return Type(number)
    if number == INTEGER and details is not None:
        return Type(number, _integer(details))
    if number == FLOAT and details is not None and 0 <= (precision := details.number(0, "h")) < len(_FLOATS):
        return Type(number, _FLOATS[precision])
    kind = _UNSUPPORTED.get(number, f"number {number}")
    raise ColumnError(name, f"a column of type {kind} can't be read; send numbers, booleans or text")


def _integer(details: FlatTable) -> np.dtype[np.generic]:
    width = details.number(0, "i")
    if width not in (8, 16, 32, 64):
        raise StreamError(f"the Arrow stream is damaged: there are no integers of {width} bits")
    return np.dtype(f"<{'i' if details.number(1, '?') else 'u'}{width // 8}")


def _length(batch: FlatTable) -> int:
    if batch.table(3) is not None:
        raise StreamError("the Arrow stream is compressed; send it uncompressed")
    if (length := batch.number(0, "q")) < 0:
        raise StreamError("the Arrow stream is damaged: a batch has a negative length")
    return length


def _body(batch: FlatTable, body: memoryview, length: int) -> Body:
    return Body(body, length, batch.pairs(1), batch.pairs(2))


def _batch(
    message: _Message, length: int, fields: list[_SchemaField], dictionaries: dict[int, Column]
) -> dict[str, Column]:
    body, views = _body(message.header, message.body, length), iter(message.header.numbers(4))
    columns = {}
    for field in fields:
        if field.index is None:
            columns[field.name] = body.take(field.name, field.type, _views(field, views))
            continue
        rows = body.take(field.name, field.index)
        try:
            columns[field.name] = dictionaries.get(field.dictionary, _empty(field.type)).at(rows)
        except IndexError:
            raise ColumnError(field.name, "it refers to an entry that its dictionary doesn't have") from None
    return columns


def _keep_dictionary(message: _Message, fields: list[_SchemaField], dictionaries: dict[int, Column]) -> None:
    """Keep a dictionary; it replaces an earlier one of the same number."""
    number, data = message.header.number(0, "q"), message.header.table(1)
    field = next((field for field in fields if field.index and field.dictionary == number), None)
    if field is None or data is None:
        raise StreamError("the Arrow stream has a dictionary without a column")
    if (length := _length(data)) > MOST_WORDS:
        raise ColumnError(field.name, f"its dictionary has {length} entries; at most {MOST_WORDS} are read")
    if message.header.number(2, "?"):
        raise ColumnError(field.name, "its dictionary grows from batch to batch; send it once, as a whole")
    views = _views(field, iter(data.numbers(4)))
    dictionaries[number] = _body(data, message.body, length).take(field.name, field.type, views)


def _views(field: _SchemaField, counts: Iterator[int]) -> int:
    """Number of text buffers that a column of views refers to."""
    if field.type.number != TEXT_VIEW:
        return 0
    views = next(counts, -1)
    if not 0 <= views <= MOST_MESSAGES:
        raise ColumnError(field.name, "it doesn't declare how many buffers of text it has")
    return views


def _empty(of: Type) -> Column:
    kind = {NULL: "nothing", BOOLEAN: "yes or no"}.get(of.number, "text" if of.dtype is None else "number")
    dtype = np.dtype(np.bool_ if of.number == BOOLEAN else np.int64)
    return Column(kind, np.zeros(0, dtype=of.dtype or dtype))  # type: ignore[arg-type]
