"""Reading JSON and JSON Lines as text columns, with the text of each document."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from parivision_assets.feeds.base import BrokenRow, Grain, RawBatch
from parivision_assets.feeds.columns import column_names
from parivision_assets.feeds.json_document import LARGEST, SHOWN, Fields, NoDocumentError, read_document, text_of
from parivision_assets.feeds.json_split import EXPECTED, split
from parivision_core.problems import BatchError

if TYPE_CHECKING:
    import pyarrow as pa

MOST_COLUMNS = 500
"""More keys get no column of their own; they are kept in the documents."""
PIECE = 20_000
"""Documents decoded at once: as Python objects they take several times the memory of their text."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NESTED = re.compile(rb'\[|\{(?!\s*"\$)')  # MongoDB writes typed values as objects whose key begins with a dollar
_ROWS = re.compile(rb"\[\s*[\[{]")


def read_json(name: str, data: bytes) -> RawBatch:
    """Text columns of a .json file: one list of objects, JSON Lines, or a single object.

    An element that isn't a valid object becomes a broken row. Raises BatchError for a file that holds something else,
    or a list that is cut off.
    """
    return _read(name, *split(name, data, lines=False))


def read_json_lines(name: str, data: bytes) -> RawBatch:
    """Text columns of a .jsonl file, one row a line; see `read_json`."""
    return _read(name, *split(name, data, lines=True))


def _read(name: str, pieces: list[bytes], grain: Grain) -> RawBatch:
    import pyarrow as pa

    if not pieces:
        raise BatchError(f"{name} holds an empty list and no shots")
    if len(pieces) == 1:
        _refuse_table(name, pieces[0])
    keys: dict[str, None] = {}
    tables: list[pa.Table] = []
    rows: list[int] = []
    broken: list[BrokenRow] = []
    documents: list[str] = []
    for start in range(0, len(pieces), PIECE):
        found: list[tuple[str, Fields]] = []
        for number, piece in enumerate(pieces[start : start + PIECE], start=start + 1):
            try:
                found.append(read_document(piece))
                rows.append(number)
            except NoDocumentError as why:
                shown = piece if len(piece) <= LARGEST else piece[:SHOWN]
                broken.append(BrokenRow(number, str(why), shown.decode(errors="backslashreplace")))
        tables.append(_table(found, keys))
        documents += [text for text, _ in found]
    if not rows:
        raise BatchError(
            f"{name}: none of {len(pieces)} rows can be read; of the first, {broken[0].reason}; {EXPECTED}; "
            "copy it again if it was cut off"
        )
    table = pa.concat_tables(tables, promote_options="default")
    columns = [column.fill_null("") for column in table.columns]
    return RawBatch(pa.table(columns, column_names(name, table.column_names)), rows, broken, documents, grain=grain)


def _table(found: list[tuple[str, Fields]], keys: dict[str, None]) -> pa.Table:
    """The documents' text columns; their keys are added to `keys`, which holds those of earlier documents."""
    import pyarrow as pa

    for key in dict.fromkeys(chain.from_iterable(fields for _, fields in found)):
        if len(keys) < MOST_COLUMNS:
            keys[key] = None
    rows = [list(map(fields.get, keys)) for _, fields in found]
    columns = zip(*rows, strict=True) if rows else [()] * len(keys)
    return pa.table({key: _column(key, values, found) for key, values in zip(keys, columns, strict=True)})


def _column(key: str, values: Sequence[Any], found: list[tuple[str, Fields]]) -> pa.Array:
    import pyarrow as pa

    for kind in (pa.string(), pa.int64()):
        with suppress(pa.ArrowException, OverflowError):  # texts alone, or whole numbers alone
            return pa.array(values, kind).cast(pa.string())
    return pa.array([text_of(v, key, text) for v, (text, _) in zip(values, found, strict=True)], pa.string())


def _refuse_table(name: str, piece: bytes) -> None:
    """Raise BatchError when a file's only object isn't a shot but a table of them, as pandas writes by default."""
    try:
        members = {key: bytes(value) for key, value in _members.decode(piece).items()}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return  # it is reported where it is read
    nested = [key for key, value in members.items() if _NESTED.match(value)]
    rows = any(_ROWS.match(members[key]) for key in nested)
    if nested and (len(nested) == len(members) or (rows and 2 * len(nested) >= len(members))):
        raise BatchError(f"{name} holds one object with tables in it, under {', '.join(nested[:5])}; {EXPECTED}")
