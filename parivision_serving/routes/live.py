"""GET /health/live: whether the process answers; the same in every service."""

from __future__ import annotations

import msgspec
from litestar import get


class Alive(msgspec.Struct, frozen=True, kw_only=True):
    """The process answers."""

    status: str = "alive"


@get("/health/live", operation_id="live", summary="Whether the process answers", tags=["health"])
async def live() -> Alive:
    """Answer at once, whatever else is wrong."""
    return Alive()
