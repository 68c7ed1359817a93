"""OpenAPI operations that promise what is answered."""

from __future__ import annotations

from dataclasses import dataclass

from litestar.openapi.spec import Operation


@dataclass
class PlainOperation(Operation):
    """An operation without the 400 that Litestar documents for every handler with input: ours answer 422."""

    def __post_init__(self) -> None:
        """Drop it."""
        if self.responses:
            self.responses.pop("400", None)
