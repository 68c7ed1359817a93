"""GET /getdata/{n}, /getdata/reset and /reset: the routes of the original service."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

import anyio
from litestar import get
from litestar.datastructures import CacheControlHeader
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from parivision_serving.virtual_bets.feed import FeedService
from parivision_serving.virtual_bets.schemas import Reset
from parivision_serving.web.operations import PlainOperation
from parivision_serving.web.problems import problem_specs

MOST = 10_000
NEVER_CACHED = CacheControlHeader(no_store=True)


def getdata_routes(feed: FeedService) -> list[HTTPRouteHandler]:
    """Build the handlers."""

    @get(
        "/getdata/{n:str}",
        operation_id="next_documents",
        operation_class=PlainOperation,
        summary="The next n documents",
        description="One counter for all callers, which survives restarts. It moves before the answer is sent: a "
        "client that dies after its call, or whose connection breaks, has lost these documents. GET /batches has no "
        "such flaw. When fewer documents are left, the list is shorter or empty.",
        tags=["original"],
        cache_control=NEVER_CACHED,
        responses=problem_specs(HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.INTERNAL_SERVER_ERROR, guarded=False),
    )
    async def next_documents(
        n: Annotated[int, Parameter(ge=1, le=MOST, description="How many documents.")],
    ) -> list[dict[str, str]]:
        return await anyio.to_thread.run_sync(feed.take, n)

    def reset_route(path: str, operation_id: str) -> HTTPRouteHandler:
        @get(
            path,
            operation_id=operation_id,
            summary="Back to the first document",
            description="Two paths do the same: the original's code has the one, its report the other.",
            tags=["original"],
            cache_control=NEVER_CACHED,
            responses=problem_specs(HTTPStatus.INTERNAL_SERVER_ERROR, guarded=False),
        )
        async def reset() -> Reset:
            return await anyio.to_thread.run_sync(feed.reset)

        return reset

    return [next_documents, reset_route("/getdata/reset", "reset"), reset_route("/reset", "short_reset")]
