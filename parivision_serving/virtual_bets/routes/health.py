"""GET /, /health/live and /status: whether the service answers, and where its world stands."""

from __future__ import annotations

from http import HTTPStatus

import anyio
from litestar import get
from litestar.handlers import HTTPRouteHandler

from parivision_serving.virtual_bets.feed import FeedService
from parivision_serving.virtual_bets.schemas import FeedWelcome, Status
from parivision_serving.web.live import live
from parivision_serving.web.problems import documented


def health_routes(feed: FeedService) -> list[HTTPRouteHandler]:
    """Build the handlers."""

    @get("/", operation_id="welcome", summary="Where to go from here", tags=["health"])
    async def welcome() -> FeedWelcome:
        return FeedWelcome()

    @get(
        "/status",
        operation_id="status",
        summary="Where the simulated world stands",
        tags=["health"],
        responses=documented(HTTPStatus.INTERNAL_SERVER_ERROR, guarded=False),
    )
    async def status() -> Status:
        return await anyio.to_thread.run_sync(feed.status)

    return [welcome, live, status]
