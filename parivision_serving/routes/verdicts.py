"""GET /api/v1/verdicts: the ledger of comparisons between candidates and champions."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

import anyio
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter
from msgspec import Meta
from msgspec.structs import asdict

from parivision_core.records import Verdict
from parivision_core.store.base import Store
from parivision_core.tracking.registry import RegistryReader
from parivision_serving.web.operations import PlainOperation
from parivision_serving.web.problems import documented
from parivision_serving.web.queries import refuse_misread

MOST = 1000


class PublishedVerdict(Verdict, frozen=True, kw_only=True):
    """A verdict, and where its candidate can be looked at."""

    page: Annotated[str, Meta(description="Address of the candidate's version in MLflow's page.")]


def verdicts_route(registry: RegistryReader, store: Store) -> HTTPRouteHandler:
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
    ) -> list[PublishedVerdict]:
        refuse_misread(request, {"limit": limit})
        # The store may wait for a writer: never on the thread that answers predictions.
        found = await anyio.to_thread.run_sync(lambda: store.verdicts(limit=limit))
        return [PublishedVerdict(**asdict(verdict), page=registry.version_page(verdict.candidate)) for verdict in found]

    return verdicts
