"""Reads a JSON body straight into a sport's request: strict about types, and naming every field that is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from enum import Enum, EnumMeta
from functools import cache
from itertools import islice
from typing import Any, NamedTuple, get_args

import msgspec
from litestar.dto import AbstractDTO
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from parivision_core.sport import FieldProblem
from parivision_serving.web.context import context_of
from parivision_serving.web.problems import BODY, MOST_ERRORS, InvalidRequestError, UnknownContentError, shortened

JSON = "application/json"
LONGEST_NAME = 40
"""Characters of an unknown field that are compared with those there are."""
SIMPLE = frozenset({"text/plain", "application/x-www-feature_state-urlencoded", "multipart/feature_state-data"})
"""What scripts of any web page may send to us unasked; for all else a browser asks us first."""

_NAMED = re.compile(r"Object (?:missing required|contains unknown) field `(.*)`", re.DOTALL)
"""What msgspec says of a field that is missing or unknown."""
_PATTERN = re.compile(r"Expected `str` matching regex '.*'")
_AT = " - at `$"
"""What it says of all others ends with this, their place in the value, and a backtick."""


def field_problems(
    body: bytes, kind: type[msgspec.Struct], first: Exception, *, strict: bool = True
) -> list[FieldProblem]:
    """What is wrong with a body, field by field, up to MOST_ERRORS; `first` is where its decoder stopped.

    Unless `strict`, numbers may come as text.
    """
    try:
        raw = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return [_problem(first, BODY)]
    if not isinstance(raw, dict):
        return [FieldProblem(BODY, "the body must be a JSON object")]
    return list(islice(_each(raw, kind, strict), MOST_ERRORS)) or [_problem(first, BODY)]


class _BodyField(NamedTuple):
    """How one field is tried alone."""

    decode: Callable[[bytes], Any]
    hint: str
    """What to add when it is wrong: the values that there are, what one looks like, or what is measured."""
    required: bool


@cache
def _fields(kind: type[msgspec.Struct], strict: bool) -> dict[str, _BodyField]:
    """The fields of a struct by name, made once: to make them takes longer than to try a hundred bodies."""
    return {
        field.encode_name: _BodyField(
            msgspec.json.Decoder(field.type, strict=strict).decode,
            _hint(field.type),
            field.required,
        )
        for field in msgspec.structs.fields(kind)
    }


def _each(raw: dict[str, Any], kind: type[msgspec.Struct], strict: bool) -> Iterator[FieldProblem]:
    fields = _fields(kind, strict)
    for name, field in fields.items():
        if name in raw:
            try:
                field.decode(msgspec.json.encode(raw[name]))
            except msgspec.ValidationError as error:
                found = _problem(error, name)
                yield FieldProblem(found.field, _PATTERN.sub("It has another form", found.message) + field.hint)
        elif field.required:
            yield FieldProblem(name, "this field is missing")
    for name in raw if kind.__struct_config__.forbid_unknown_fields else ():
        if name not in fields:
            meant = "".join(f"; is {near} meant" for near in get_close_matches(name[:LONGEST_NAME], fields, n=1))
            yield FieldProblem(shortened(name), f"there is no such field{meant}; known are {', '.join(fields)}")


def _hint(kind: Any) -> str:
    if values := _values(kind):
        return f"; known are {', '.join(values)}"
    if shown := _shown(kind):
        return f"; write it like {shown[0]}"
    return "".join(f" ({told})" for told in _measured(kind)[:1])


def _measured(kind: Any) -> list[str]:
    """What a number that has limits stands for, and in which unit."""
    parts = get_args(kind)
    limited = [p for p in parts if isinstance(p, msgspec.Meta) and {p.ge, p.gt, p.le, p.lt} != {None}]
    own = [part.description.rstrip(".") for part in limited if part.description]
    return [text[0].lower() + text[1:] for text in own] + [told for part in parts for told in _measured(part)]


def _shown(kind: Any) -> list[Any]:
    """Examples of a text that must follow a pattern, in a field's type."""
    parts = get_args(kind)
    patterns = [part for part in parts if isinstance(part, msgspec.Meta) and part.pattern]
    own = [example for pattern in patterns for example in pattern.examples or ()]
    return own + [example for part in parts for example in _shown(part)]


def _values(kind: Any) -> list[str]:
    """The values of the enum in a field's type, if there is one."""
    if isinstance(kind, EnumMeta):
        members: list[Enum] = list(kind)
        return [str(member.value) for member in members]
    return [value for part in get_args(kind) for value in _values(part)]


def _problem(error: Exception, field: str) -> FieldProblem:
    """What a decoder says of a field, or of a part of it: `earlier_shots[0].x`."""
    what, at, place = str(error).rpartition(_AT)
    if not at or place.find("`") != len(place) - 1:  # the caller wrote it, or nobody
        what, place = str(error), "`"
    named = _NAMED.fullmatch(what)
    part = place[:-1] + (f".{named[1]}" if named else "")
    whole = part.removeprefix(".") or BODY if field == BODY else field + part
    return FieldProblem(shortened(whole), shortened(what))


_PLAIN = JSON.encode()


def _check_kind(sent: bytes, strict: bool) -> None:
    """Raise UnknownContentError unless a content type names JSON; unless `strict`, only if it is a SIMPLE one."""
    kind = sent.decode("latin-1").partition(";")[0].strip().lower()
    if kind in SIMPLE or (strict and kind not in (JSON, "")):
        raise UnknownContentError(f"the body must be {JSON}, not {shortened(kind)}; name it so in Content-Type")


def strict_json(kind: type[msgspec.Struct]) -> type[AbstractDTO[Any]]:
    """A Litestar DTO that decodes a body into `kind` in one step.

    Litestar's own way decodes twice and turns "5" into 5, which the OpenAPI page doesn't promise.
    """
    return _json(kind, strict=True)


def lenient_json(kind: type[msgspec.Struct]) -> type[AbstractDTO[Any]]:
    """The same for callers of old, whose numbers may be text, and who may call JSON what they like.

    But not as a web page could that was never let in: that of another site, in the browser of somebody on this machine.
    """
    return _json(kind, strict=False)


def _json(kind: type[msgspec.Struct], *, strict: bool) -> type[AbstractDTO[Any]]:
    decode = msgspec.json.Decoder(kind, strict=strict).decode

    class Json(AbstractDTO[Any]):
        @classmethod
        def create_for_field_definition(cls, *_: Any, **__: Any) -> None:
            """Nothing to prepare: no transfer model lies between the body and the request."""

        @classmethod
        def create_openapi_schema(
            cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Any
        ) -> Reference | Schema:
            schema: Reference | Schema = schema_creator.for_field_definition(field_definition)
            return schema

        @classmethod
        def generate_field_definitions(cls, model_type: type[Any]) -> Any:
            yield from ()

        @classmethod
        def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
            return False

        def decode_bytes(self, value: bytes) -> Any:
            sent = context_of(self.asgi_connection.scope).headers.get(b"content-type", _PLAIN)
            if sent != _PLAIN:  # which is what nearly everybody sends
                _check_kind(sent, strict)
            try:
                return decode(value)
            except (msgspec.DecodeError, RecursionError) as error:
                raise InvalidRequestError(field_problems(value, kind, error, strict=strict)) from None

    return Json
