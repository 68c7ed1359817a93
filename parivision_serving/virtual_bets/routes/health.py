"""GET /, /health/live and /status: whether the service answers, and how far its simulation is."""

from __future__ import annotations

from http import HTTPStatus

import anyio
from litestar import get
from litestar.handlers import HTTPRouteHandler

from parivision_serving.virtual_bets.feed import FeedService
from parivision_serving.virtual_bets.schemas import FeedWelcome, Status
from parivision_serving.web.liveness import live
from parivision_serving.web.problems import problem_specs


def health_routes(feed: FeedService) -> list[HTTPRouteHandler]:
    """Build the handlers."""

    @get("/", operation_id="welcome", summary="Where to go from here", tags=["health"])
    async def welcome() -> FeedWelcome:
        return FeedWelcome()

    @get(
        "/status",
        operation_id="status",
        summary="How far the simulation is",
        tags=["health"],
        responses=problem_specs(HTTPStatus.INTERNAL_SERVER_ERROR, guarded=False),
    )
    async def status() -> Status:
        return await anyio.to_thread.run_sync(feed.status)

    return [welcome, live, status]
