"""Decodes a JSON body straight into a sport's request: strict about types, and naming every field that is wrong."""

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
"""Characters of an unknown field's name that are compared with the known names."""
SIMPLE = frozenset({"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"})
"""Content types, and none, that any web page may send without asking; for others a browser first sends OPTIONS."""

_NAMED = re.compile(r"Object (?:missing required|contains unknown) field `(.*)`", re.DOTALL)
"""msgspec's message for a missing or an unknown field."""
_PATTERN = re.compile(r"Expected `str` matching regex '.*'")
_AT = " - at `$"
"""Its messages for all other errors end with this, the error's place in the value, and a backtick."""


def field_problems(
    body: bytes, kind: type[msgspec.Struct], first: Exception, *, strict: bool = True
) -> list[FieldProblem]:
    """What is wrong with a body, field by field, up to MOST_ERRORS; `first` is the error at which decoding stopped.

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
    """How one field is checked alone."""

    decode: Callable[[bytes], Any]
    hint: str
    """What to add to its error: the possible values, an example, or what the number measures."""
    required: bool


@cache
def _fields(kind: type[msgspec.Struct], strict: bool) -> dict[str, _BodyField]:
    """The fields of a struct by name, made once: that takes longer than to check a hundred bodies."""
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
                yield FieldProblem(found.field, _PATTERN.sub("It has another format", found.message) + field.hint)
        elif field.required:
            yield FieldProblem(name, "this field is missing")
    for name in raw if kind.__struct_config__.forbid_unknown_fields else ():
        if name not in fields:
            suggestion = "".join(f"; is {near} meant" for near in get_close_matches(name[:LONGEST_NAME], fields, n=1))
            yield FieldProblem(shortened(name), f"there is no such field{suggestion}; known are {', '.join(fields)}")


def _hint(kind: Any) -> str:
    if values := _values(kind):
        return f"; known are {', '.join(values)}"
    if examples := _examples(kind):
        return f"; write it like {examples[0]}"
    return "".join(f" ({text})" for text in _descriptions(kind)[:1])


def _descriptions(kind: Any) -> list[str]:
    """What a number with limits measures, and in which unit."""
    parts = get_args(kind)
    limited = [p for p in parts if isinstance(p, msgspec.Meta) and {p.ge, p.gt, p.le, p.lt} != {None}]
    own = [part.description.rstrip(".") for part in limited if part.description]
    return [text[0].lower() + text[1:] for text in own] + [text for part in parts for text in _descriptions(part)]


def _examples(kind: Any) -> list[Any]:
    """Examples of a text that must follow a pattern, in a field's type."""
    parts = get_args(kind)
    patterns = [part for part in parts if isinstance(part, msgspec.Meta) and part.pattern]
    own = [example for pattern in patterns for example in pattern.examples or ()]
    return own + [example for part in parts for example in _examples(part)]


def _values(kind: Any) -> list[str]:
    """The values of the enum in a field's type, if there is one."""
    if isinstance(kind, EnumMeta):
        members: list[Enum] = list(kind)
        return [str(member.value) for member in members]
    return [value for part in get_args(kind) for value in _values(part)]


def _problem(error: Exception, field: str) -> FieldProblem:
    """A decoder's error in a field, or in a part of it such as `earlier_shots[0].x`."""
    what, at, place = str(error).rpartition(_AT)
    if not at or place.find("`") != len(place) - 1:  # no place, or one inside a text of the caller
        what, place = str(error), "`"
    named = _NAMED.fullmatch(what)
    part = place[:-1] + (f".{named[1]}" if named else "")
    whole = part.removeprefix(".") or BODY if field == BODY else field + part
    return FieldProblem(shortened(whole), shortened(what))


_PLAIN = JSON.encode()


def _check_kind(sent: bytes, strict: bool) -> None:
    """Raise UnknownContentError for a content type other than JSON; unless `strict`, only for a SIMPLE one."""
    kind = sent.decode("latin-1").partition(";")[0].strip().lower()
    if kind in SIMPLE or (strict and kind != JSON):
        given = shortened(kind) or "of no content type"
        raise UnknownContentError(f"the body must be {JSON}, not {given}; name it so in Content-Type")


def strict_json(kind: type[msgspec.Struct]) -> type[AbstractDTO[Any]]:
    """A Litestar DTO that decodes a body into `kind` in one step.

    Litestar itself would decode twice and turn "5" into 5, which the OpenAPI document doesn't promise.
    """
    return _json(kind, strict=True)


def lenient_json(kind: type[msgspec.Struct]) -> type[AbstractDTO[Any]]:
    """The same for callers of the original systems, who may send numbers as text and under any content type.

    Those that a foreign web page could send from a browser on this machine without asking are refused.
    """
    return _json(kind, strict=False)


def _json(kind: type[msgspec.Struct], *, strict: bool) -> type[AbstractDTO[Any]]:
    decode = msgspec.json.Decoder(kind, strict=strict).decode

    class Json(AbstractDTO[Any]):
        @classmethod
        def create_for_field_definition(cls, *_: Any, **__: Any) -> None:
            """Do nothing: no transfer model lies between the body and the request."""

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
            sent = context_of(self.asgi_connection.scope).headers.get(b"content-type", b"")
            if sent != _PLAIN:  # which nearly all callers send
                _check_kind(sent, strict)
            try:
                return decode(value)
            except (msgspec.DecodeError, RecursionError) as error:
                raise InvalidRequestError(field_problems(value, kind, error, strict=strict)) from None

    return Json
