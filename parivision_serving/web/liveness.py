"""GET /health/live: whether the process answers; every service has this route."""

from __future__ import annotations

import msgspec
from litestar import get

from parivision_serving.web.admission import NO_KEY, OPEN, SCOPE


class Alive(msgspec.Struct, frozen=True, kw_only=True):
    """The process answers."""

    status: str = "alive"


@get(
    "/health/live",
    operation_id="live",
    summary="Whether the process answers",
    tags=["health"],
    opt={SCOPE: OPEN},
    security=NO_KEY,
)
async def live() -> Alive:
    """Answer at once, whatever else is wrong."""
    return Alive()
