"""How OpenAPI describes operations: without answers that can't occur, and with examples."""

from __future__ import annotations

from dataclasses import dataclass, fields
from http import HTTPStatus
from typing import Any

from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example, OpenAPIType, Operation, Parameter, Schema


@dataclass
class PlainOperation(Operation):
    """An operation without two things that Litestar documents and that aren't so.

    It adds 400 to every handler with input, where ours answer 422, and allows null for every optional query parameter,
    which a URL can't express.
    """

    def __post_init__(self) -> None:
        """Drop both."""
        if self.responses:
            self.responses.pop("400", None)
        for parameter in self.parameters or ():
            if isinstance(parameter, Parameter) and isinstance(parameter.schema, Schema):
                _drop_null(parameter.schema)


def _drop_null(schema: Schema) -> None:
    """Remove null from the types of a schema; a single remaining type becomes the schema's own."""
    kinds = [kind for kind in schema.one_of or () if isinstance(kind, Schema) and kind.type != OpenAPIType.NULL]
    if len(kinds) == 1:
        schema.one_of = None
        for field in fields(Schema):
            if getattr(schema, field.name) is None:
                setattr(schema, field.name, getattr(kinds[0], field.name))


def answer_spec(kind: Any, description: str, example: Any) -> dict[int, ResponseSpec]:
    """The answer with status 200, as a part of a handler's `responses`."""
    spec = ResponseSpec(kind, generate_examples=False, description=description, examples=[Example(value=example)])
    return {HTTPStatus.OK.value: spec}
