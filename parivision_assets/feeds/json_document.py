"""One JSON document: read so that its numbers stay as they are written, or refused with a reason."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import msgspec

Fields = dict[str, Any]

LARGEST = 1_000_000
"""Bytes of a document. A shot takes some six hundred, and MongoDB takes no document above 16 MB."""
SHOWN = 1_000
"""Bytes kept of a document that is larger."""
EXTENDED = frozenset({"$numberInt", "$numberLong", "$numberDouble", "$numberDecimal", "$oid", "$date"})
"""Keys by which MongoDB's extended JSON gives a value its type."""

_decode = msgspec.json.Decoder(float_hook=str).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NAN = re.compile(r'("[^"\\]*+(?:\\.[^"\\]*+)*+")|\bNaN\b')
_KINDS = {"[": "a list", '"': "a text", "t": "true", "f": "false", "n": "null"}


class NoDocumentError(ValueError):
    """Why a row is no document."""


def read_document(piece: bytes) -> tuple[str, Fields]:
    """A document's text and its fields: texts, numbers (those with decimals as they are written), lists, objects.

    The NaN that Python and others write for a missing number becomes null, in the text too, which else wouldn't be
    JSON. Raises NoDocumentError for what isn't an object, names a key twice, or is too large or nested too deeply.
    """
    if len(piece) > LARGEST:
        raise NoDocumentError(too_large(piece))
    try:
        text, fields = _decoded(piece)
        if not isinstance(fields, dict):
            raise NoDocumentError(f"the row is {_KINDS.get(text[:1], 'a number')}, not an object")
        if not fields:
            raise NoDocumentError("the document is empty")
        # Each member has its colon: where there are no others, no key can stand there twice.
        if (colons := text.count(":")) != len(fields) and (colons != _colons(fields) or "\\u003" in text):
            json.loads(text, object_pairs_hook=_distinct)
    except RecursionError as error:
        raise NoDocumentError("the document is nested too deeply") from error
    return text, fields


def too_large(piece: bytes) -> str:
    """The reason against a document above LARGEST."""
    return f"the document takes {len(piece):,} bytes, which no shot does; at most {LARGEST:,} are read"


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
    """What is wrong with a text, in the words of Python's own reader, which knows the place better."""
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
