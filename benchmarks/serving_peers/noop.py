"""The upper limit: a typed route of a bare Litestar application that decodes a request and returns a constant.

`python -m benchmarks.serving_peers.noop PORT REQUEST ANSWER`: the last two are JSON files with a request to the real
service and its answer. It has no middleware, prediction log or metrics, and runs on the same HTTP server.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Litestar, post

from parivision_serving.web import process

if TYPE_CHECKING:
    RequestBody = Any
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
    body, reply = struct_like("RequestBody", request), struct_like("Answer", answer)
    constant = msgspec.convert(answer, reply)

    @post("/predict", status_code=200, signature_namespace={"RequestBody": body, "Answer": reply})
    async def predict(data: RequestBody) -> Answer:
        return constant

    return Litestar([predict], openapi_config=None, logging_config=None)


if __name__ == "__main__":
    read = [msgspec.json.decode(Path(file).read_bytes()) for file in sys.argv[2:4]]
    process.run(create_app(*read), "127.0.0.1", int(sys.argv[1]))
