"""Converts between MongoDB's documents and what other packages use: Arrow tables and the small records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from parivision_core.problems import StoreError
from parivision_core.store.mongo.connection import Document

if TYPE_CHECKING:
    import pyarrow as pa

PIECE = 5_000
"""Documents written or read at once."""
LARGEST = 16 * 1024 * 1024 - 64 * 1024
"""Bytes of text in a document, with some room for the rest: MongoDB accepts 16 MB."""

Record = TypeVar("Record", bound=msgspec.Struct)


def document_of(record: msgspec.Struct) -> Document:
    """A record as a document. Raises StoreError for a number that isn't finite."""
    fields: Document = msgspec.to_builtins(record, builtin_types=(bytes,))
    for name, value in fields.items():
        if isinstance(value, float) and value - value != 0:
            raise StoreError(f"{name} of a {type(record).__name__} is {value}, which is not a finite number")
    return fields


def record_of(document: Document, kind: type[Record]) -> Record:
    """The record of a document; unknown fields are ignored.

    Raises StoreError when the document is damaged or of another version.
    """
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise StoreError(
            f"the {kind.__name__} {document.get('_id')} in MongoDB is damaged or of another version: {error}; "
            "restore it from a backup or run the version that wrote it"
        ) from error


def types_of(table: pa.Table) -> list[tuple[str, str]]:
    """Name and type of each column, kept besides the documents, which don't preserve these types."""
    return [(field.name, str(field.type)) for field in table.schema]


def schema_of(types: Iterable[Sequence[tuple[str, str]]], columns: Sequence[str] | None) -> pa.Schema:
    """The Arrow schema of some columns (all by default) that fits tables of all these types.

    Raises StoreError for a column that doesn't exist, or whose types can't be unified.
    """
    import pyarrow as pa  # noqa: PLC0415 - the service opens a store without Arrow

    single = [pa.schema([(name, pa.type_for_alias(kind)) for name, kind in table]) for table in types]
    try:
        known = pa.unify_schemas(single, promote_options="permissive")
    except pa.ArrowException as error:
        raise StoreError(
            f"batches hold a column in types that can't be unified: {error}; read the batches separately"
        ) from error
    missing = [name for name in columns or () if name not in known.names]
    if missing:
        raise StoreError(f"no column is called {missing[0]}; there are {', '.join(known.names)}")
    return pa.schema([known.field(name) for name in columns or known.names])


def documents(table: pa.Table) -> Iterator[list[Document]]:
    """The rows of a table as documents, at most PIECE at a time."""
    for piece in table.to_batches(max_chunksize=PIECE):
        yield piece.to_pylist()


def tables(found: Iterable[Document], schema: pa.Schema) -> Iterator[pa.Table]:
    """Documents as tables of at most PIECE rows; fields outside the schema are left out."""
    import pyarrow as pa  # noqa: PLC0415 - the service opens a store without Arrow

    found = iter(found)
    while piece := list(islice(found, PIECE)):
        yield pa.Table.from_pylist(piece, schema)


def check_sizes(table: pa.Table) -> None:
    """Refuse rows that are too large for a document. Raises StoreError naming the largest."""
    import pyarrow as pa  # noqa: PLC0415 - see above
    import pyarrow.compute as pc  # noqa: PLC0415 - see above

    texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
    sizes = [pc.fill_null(pc.binary_length(table[name]), 0).cast(pa.int64()) for name in texts]
    total: Any = sizes[0]
    for size in sizes[1:]:
        total = pc.add(total, size)
    largest = pc.max(total).as_py()
    if largest is not None and largest > LARGEST:
        raise StoreError(too_large(f"shot {table['_id'][pc.index(total, largest).as_py()].as_py()}", largest))


def too_large(what: str, size: int) -> str:
    """The message about something that is too large for a document."""
    return (
        f"{what} is {size / 1e6:.1f} MB, and MongoDB keeps no document over 16 MB; remove it from its source and "
        "ingest that again. Nothing of the batch was stored"
    )
