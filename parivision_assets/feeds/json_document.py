"""Reading one JSON document, with its numbers as they are written, or refusing it with a reason."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import msgspec

Fields = dict[str, Any]

LARGEST = 1_000_000
"""Bytes of the largest document that is read. A shot has about 600; MongoDB stores none above 16 MB."""
SHOWN = 1_000
"""Bytes that are kept of a larger one."""
EXTENDED = frozenset({"$numberInt", "$numberLong", "$numberDouble", "$numberDecimal", "$oid", "$date"})
"""Keys by which MongoDB's extended JSON gives a value its type."""

_decode = msgspec.json.Decoder(float_hook=str).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NAN = re.compile(r'("[^"\\]*+(?:\\.[^"\\]*+)*+")|\bNaN\b')
_KINDS = {"[": "a list", '"': "a text", "t": "true", "f": "false", "n": "null"}


class NoDocumentError(ValueError):
    """A row isn't a document; the message says why."""


def read_document(piece: bytes) -> tuple[str, Fields]:
    """A document's text and its fields: texts, numbers (those with decimals as they are written), lists, objects.

    The NaN that Python and others write for a missing number becomes null, also in the text, which wouldn't be JSON
    otherwise. Raises NoDocumentError for what isn't an object, has a key twice, or is too large or nested too deeply.
    """
    if len(piece) > LARGEST:
        raise NoDocumentError(too_large(piece))
    try:
        text, fields = _decoded(piece)
        if not isinstance(fields, dict):
            raise NoDocumentError(f"the row is {_KINDS.get(text[:1], 'a number')}, not an object")
        if not fields:
            raise NoDocumentError("the document is empty")
        # Each member has a colon: without further colons in the text, no key can be there twice.
        if (colons := text.count(":")) != len(fields) and (colons != _colons(fields) or "\\u003" in text):
            json.loads(text, object_pairs_hook=_distinct)
    except RecursionError as error:
        raise NoDocumentError("the document is nested too deeply") from error
    return text, fields


def too_large(piece: bytes) -> str:
    """The reason for refusing a document above LARGEST."""
    return f"the document takes {len(piece):,} bytes; at most {LARGEST:,} are read"


def text_of(value: object, key: str, document: str) -> str:
    """A field's value as text: nothing for null, and the JSON text of a list or an object in `document`."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict) and len(value) == 1 and (kind := next(iter(value))) in EXTENDED:
        held = value[kind]
        if kind == "$date" and isinstance(held, dict):  # it holds a number, which has a type of its own
            held = held.get("$numberLong")
        if isinstance(held, (str, int)):
            return "" if held == "NaN" else str(held)
    return bytes(_members.decode(document)[key]).decode()


def _decoded(piece: bytes) -> tuple[str, Any]:
    try:
        text = piece.decode()
    except UnicodeDecodeError as error:
        raise NoDocumentError(f"the row is not UTF-8 text ({error.reason})") from error
    try:
        return text, _decode(piece)
    except msgspec.MsgspecError:
        cured = _NAN.sub(lambda found: found[1] or "null", text)
    try:
        return cured, _decode(cured)
    except msgspec.MsgspecError as error:
        raise NoDocumentError(f"the row is not a JSON document: {_explained(cured)}") from error


def _explained(text: str) -> str:
    """What is wrong with a text, from Python's own reader, whose messages name the position."""
    try:
        json.loads(text, parse_constant=_refuse)
    except ValueError as error:
        return str(error)
    return "half of a surrogate pair is no character"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")


def _colons(value: Fields | list[Any]) -> int:
    """Colons that an object or a list has when it is written as JSON without escapes."""
    total = len(value) + "".join(value).count(":") if isinstance(value, dict) else 0
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, str):
            total += item.count(":")
        elif isinstance(item, (dict, list)):
            total += _colons(item)
    return total


def _distinct(pairs: list[tuple[str, Any]]) -> Fields:
    fields: Fields = {}
    for key, value in pairs:
        if key in fields:
            raise NoDocumentError(f"the document names {key!r} twice")
        fields[key] = value
    return fields
