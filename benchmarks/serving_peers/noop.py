"""The limit: a typed route on a bare Litestar application that reads a request and answers a constant of our sizes.

`python -m benchmarks.serving_peers.noop PORT REQUEST ANSWER`, the last two JSON files of one of our requests and its
answer. It has no middleware, prediction log or metrics, and is run as our service is.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Litestar, post

from parivision_serving.web import process

if TYPE_CHECKING:
    Question = Any
    Answer = Any


def struct_like(name: str, example: dict[str, Any]) -> type[msgspec.Struct]:
    """A struct type with the fields and types of an example."""
    return msgspec.defstruct(name, [(field, _type(field, value)) for field, value in example.items()], frozen=True)


def _type(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return struct_like(name, value)
    if isinstance(value, list):
        return list[Any]
    return int | float if type(value) is int else type(value)


def create_app(request: dict[str, Any], answer: dict[str, Any]) -> Litestar:
    """The application, for requests and with answers like these."""
    question, reply = struct_like("Question", request), struct_like("Answer", answer)
    constant = msgspec.convert(answer, reply)

    @post("/predict", status_code=200, signature_namespace={"Question": question, "Answer": reply})
    async def predict(data: Question) -> Answer:
        return constant

    return Litestar([predict], openapi_config=None, logging_config=None)


if __name__ == "__main__":
    read = [msgspec.json.decode(Path(file).read_bytes()) for file in sys.argv[2:4]]
    process.run(create_app(*read), "127.0.0.1", int(sys.argv[1]))
