"""GET /api/v1/verdicts: the ledger of comparisons between candidates and champions."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

import anyio
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from parivision_core.records import Verdict
from parivision_core.store.base import Store
from parivision_serving.problems import documented
from parivision_serving.routes.operations import PlainOperation
from parivision_serving.routes.queries import refuse_misread

MOST = 1000


def verdicts_route(store: Store) -> HTTPRouteHandler:
    """Build the handler."""

    @get(
        "/api/v1/verdicts",
        operation_id="verdicts",
        operation_class=PlainOperation,
        summary="Verdicts, newest first",
        description="How each candidate compared with the champion it expected, and what was decided.",
        tags=["model"],
        responses=documented(
            HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INTERNAL_SERVER_ERROR
        ),
    )
    async def verdicts(
        request: Request[Any, Any, Any],
        limit: Annotated[int, Parameter(ge=1, le=MOST, description="At most so many verdicts.")] = 20,
    ) -> list[Verdict]:
        refuse_misread(request, {"limit": limit})
        # The store may wait for a writer: never on the thread that answers predictions.
        return await anyio.to_thread.run_sync(lambda: store.verdicts(limit=limit))

    return verdicts
