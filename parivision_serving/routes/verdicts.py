"""GET /api/v1/verdicts: the recorded comparisons of candidates with champions."""

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
from parivision_serving.web.problems import problem_specs
from parivision_serving.web.queries import refuse_misread

MOST = 1000


class PublishedVerdict(Verdict, frozen=True, kw_only=True):
    """A verdict, with the address of its candidate."""

    page: Annotated[str, Meta(description="Address of the candidate's page in MLflow.")]


def verdicts_route(registry: RegistryReader, store: Store) -> HTTPRouteHandler:
    """Build the handler."""

    @get(
        "/api/v1/verdicts",
        operation_id="verdicts",
        operation_class=PlainOperation,
        summary="Verdicts, newest first",
        description="How each candidate compared with its expected champion, and the decision.",
        tags=["model"],
        responses=problem_specs(
            HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INTERNAL_SERVER_ERROR
        ),
    )
    async def verdicts(
        request: Request[Any, Any, Any],
        limit: Annotated[int, Parameter(ge=1, le=MOST, description="Most verdicts to return.")] = 20,
    ) -> list[PublishedVerdict]:
        refuse_misread(request, {"limit": limit})
        # The store may wait for a writer, so not on the thread that answers predictions.
        found = await anyio.to_thread.run_sync(lambda: store.verdicts(limit=limit))
        return [PublishedVerdict(**asdict(verdict), page=registry.version_page(verdict.candidate)) for verdict in found]

    return verdicts
