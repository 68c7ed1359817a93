"""Reading Parquet as text columns: typed values become the text that a csv or a JSON document would hold."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from parivision_assets.feeds.base import BrokenRow, RawBatch
from parivision_assets.feeds.columns import column_names
from parivision_assets.feeds.json_document import LARGEST, SHOWN, too_large
from parivision_assets.feeds.limits import check_columns, check_rows, check_size
from parivision_core.problems import BatchError

if TYPE_CHECKING:
    import pyarrow as pa

MAGIC = b"PAR1"
"""The first and the last bytes of a Parquet file."""
PIECE = 20_000
"""Rows turned into documents at once: as Python objects they take several times the memory of their text."""

_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode


def read_parquet(name: str, data: bytes) -> RawBatch:
    """Text columns of a Parquet file, and its rows as JSON documents.

    Raises BatchError saying what to do about a file that is damaged, cut off or encrypted.
    """
    import pyarrow as pa
    from pyarrow import parquet

    if not data:
        raise BatchError(f"{name} is empty")
    try:
        file = parquet.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        _check_limits(name, file.metadata)
        table = file.read()
        table.validate(full=True)  # a text may hold bytes that are not UTF-8
    except (pa.ArrowException, OSError, MemoryError, ValueError) as error:
        raise BatchError(f"{name} is not a sound parquet file ({error}); copy it again") from error
    if not table.num_columns:
        raise BatchError(f"{name} has no columns")
    names = column_names(name, table.column_names)
    try:
        texts = [_text(column) for column in table.columns]
        documents = [
            document for start in range(0, table.num_rows, PIECE) for document in _documents(table, texts, start)
        ]
    except (pa.ArrowException, ValueError, OverflowError) as error:  # such as a clock or a year that is unknown
        raise BatchError(f"{name} holds values that can't be written as text: {error}") from error
    text = pa.table([column.fill_null("") for column in texts], names)
    sound = [row for row, document in enumerate(documents) if len(document) <= LARGEST]
    broken = [
        BrokenRow(row, too_large(document), document[:SHOWN].decode(errors="backslashreplace"))
        for row, document in enumerate(documents, start=1)
        if len(document) > LARGEST
    ]
    return RawBatch(
        text.take(sound) if broken else text,
        [row + 1 for row in sound],
        broken,
        [documents[row].decode() for row in sound],
    )


def count_parquet(data: bytes) -> int:
    """Rows that a Parquet file states in its metadata; the reader takes those that are in its pages."""
    import pyarrow as pa
    from pyarrow import parquet

    return int(parquet.read_metadata(pa.BufferReader(data)).num_rows)


def _check_limits(name: str, metadata: Any) -> None:
    """Raise BatchError when a file is too large by its metadata, before anything of it is decompressed."""
    check_rows(name, metadata.num_rows, "rows")
    check_columns(name, metadata.num_columns)
    check_size(name, sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups)))


def _text(column: Any) -> Any:
    """A column's values as text; null where there is none."""
    import pyarrow as pa
    from pyarrow import compute, types

    if types.is_boolean(column.type):
        return compute.if_else(column, "TRUE", "FALSE")
    if types.is_floating(column.type):
        return compute.if_else(compute.is_nan(column), None, column.cast(pa.string()))
    if types.is_timestamp(column.type):
        wall = compute.local_timestamp(column) if column.type.tz else column
        # Midnight is taken for a date, because pandas has no other type for dates.
        return compute.replace_substring_regex(wall.cast(pa.string()), r"( 00:00:00)?(\.0+)?$", "")
    if not (types.is_nested(column.type) or isinstance(column.type, pa.BaseExtensionType)):
        with suppress(pa.ArrowInvalid):  # bytes that are no text
            return column.cast(pa.string())
    values = [None if value is None else _shown(value) for value in column.to_pylist()]
    return pa.chunked_array([pa.array(values, pa.string())])


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return _encode(value).decode() if isinstance(value, (list, dict)) else str(value)


def _documents(table: pa.Table, texts: list[Any], start: int) -> list[bytes]:
    names = table.column_names
    columns = [
        _values(column.slice(start, PIECE), text.slice(start, PIECE))
        for column, text in zip(table.columns, texts, strict=True)
    ]
    return [_encode(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]


def _values(column: Any, text: Any) -> list[Any]:
    """A column's values for JSON; types that JSON doesn't have stay text."""
    from pyarrow import types

    kind, shown = column.type, text.to_pylist()
    if types.is_decimal(kind):
        return [None if value is None else msgspec.Raw(value.encode()) for value in shown]
    if types.is_floating(kind):  # from their text, which is shorter than a float32 written as a float64
        numbers = [None if value is None else float(value) for value in shown]
        return [value if value is None or math.isfinite(value) else str(value) for value in numbers]
    if types.is_integer(kind) or types.is_boolean(kind) or types.is_nested(kind):
        values: list[Any] = column.to_pylist()
        return values
    return list(shown)
