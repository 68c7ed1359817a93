"""The fields of a request, given as options of a command or as columns of a file."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import msgspec
from msgspec import inspect

Kind = Literal["number", "whole number", "yes or no", "text", "json"]

_KINDS: dict[type[inspect.Type], Kind] = {
    inspect.FloatType: "number",
    inspect.IntType: "whole number",
    inspect.BoolType: "yes or no",
    inspect.EnumType: "text",
    inspect.StrType: "text",
}


@dataclass(frozen=True)
class InputField:
    """One field of a request."""

    name: str
    kind: Kind
    type: Any
    required: bool
    description: str
    choices: tuple[str, ...] = ()
    """The values that a text may have, where they are limited."""

    def read(self, text: str) -> Any:
        """The value of a text, as JSON has it.

        Raises msgspec.MsgspecError, also for a value that is out of range.
        """
        value = msgspec.json.decode(text) if self.kind == "json" else text.strip()
        return msgspec.to_builtins(msgspec.convert(value, self.type, strict=self.kind == "json"))


def fields_of(request: type[msgspec.Struct]) -> list[InputField]:
    """The fields of a request, in its order; what is neither number, flag nor text is given as JSON."""
    described = cast(inspect.StructType, inspect.type_info(request))
    fields = []
    for info, field in zip(described.fields, msgspec.structs.fields(request), strict=True):
        core, description = _core(info.type)
        kind = _KINDS.get(type(core), "json")
        choices = tuple(str(m.value) for m in core.cls) if isinstance(core, inspect.EnumType) else ()
        fields.append(InputField(info.encode_name, kind, field.type, info.required, description, choices))
    return fields


def add_options(group: argparse._ArgumentGroup, fields: Iterable[InputField]) -> None:
    """Add one option for each field to a group."""
    for field in fields:
        option, help_text = f"--{field.name.replace('_', '-')}", field.description.replace("%", "%%")
        if field.kind == "yes or no":
            group.add_argument(option, action=argparse.BooleanOptionalAction, help=help_text)
        else:
            placeholder = "JSON" if field.kind == "json" else field.name.upper()
            group.add_argument(
                option, type=_reader(field), required=field.required, metavar=placeholder, help=help_text
            )


def from_options(options: argparse.Namespace, fields: Iterable[InputField]) -> dict[str, Any]:
    """The request that options describe, without those that were left out."""
    values = {field.name: getattr(options, field.name) for field in fields}
    return {name: value for name, value in values.items() if value is not None}


def from_texts(record: Mapping[str, str], fields: Mapping[str, InputField]) -> dict[str, Any]:
    """A record of texts as a request: empty cells are left out, and a wrong value stays, to be reported."""
    values: dict[str, Any] = {}
    for name, text in record.items():
        if text.strip():
            try:
                values[name] = fields[name].read(text)
            except msgspec.MsgspecError:
                values[name] = _plain(text)
    return values


def _plain(text: str) -> str | int | float:
    """A number as such, also one that is out of range."""
    try:
        return msgspec.json.decode(text, type=int | float)
    except msgspec.MsgspecError:
        return text


def _reader(field: InputField) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return field.read(text)
        except msgspec.MsgspecError as error:
            known = f"; known are {', '.join(field.choices)}" if field.choices else ""
            raise argparse.ArgumentTypeError(f"{text!r}: {error}{known}") from None

    return read


def _core(described: inspect.Type) -> tuple[inspect.Type, str]:
    """A type without its wrappers, and its description."""
    description = ""
    while isinstance(described, inspect.Metadata | inspect.UnionType):
        if isinstance(described, inspect.UnionType):
            described = next(t for t in described.types if not isinstance(t, inspect.NoneType))
        else:
            description = description or (described.extra_json_schema or {}).get("description", "")
            described = described.type
    return described, description
