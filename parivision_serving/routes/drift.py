"""GET /api/v1/drift: the latest drift reports, which compare the newest shots with the training data."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

import anyio
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from parivision_core.tracking.drift_reports import DriftReport, read_drift
from parivision_core.tracking.registry import RegistryReader
from parivision_serving.web.answer_cache import AnswerCache
from parivision_serving.web.operations import PlainOperation, answer_spec
from parivision_serving.web.problems import problem_specs
from parivision_serving.web.queries import refuse_misread

MOST = 100
SECONDS = 5.0

EXAMPLE = {
    "reported_at": 1_795_366_952_347,
    "champion": 3,
    "drifted": True,
    "training": {"first_date": "2020-12-22", "last_date": "2023-03-09", "games": 2100, "shots": 366673},
    "newest": {"first_date": "2023-03-24", "last_date": "2023-04-09", "games": 90, "shots": 15983},
    "columns": [{"name": "at_origin", "distance": 0.04, "threshold": 0.01, "beyond": True, "alarms": True}],
    "log_loss": 0.6391,
    "expected_log_loss": 0.6388,
    "run_id": "0c9d11a6b7a64b0e8a8f4a6f2f3a9f10",
    "page": "http://127.0.0.1:5000/#/experiments/2/runs/0c9d11a6b7a64b0e8a8f4a6f2f3a9f10/artifacts/drift.html"
    "?workflowType=machine_learning",
}


def drift_route(registry: RegistryReader) -> HTTPRouteHandler:
    """Build the handler."""
    cache = AnswerCache[list[DriftReport]](SECONDS)

    @get(
        "/api/v1/drift",
        operation_id="drift",
        operation_class=PlainOperation,
        summary="Drift reports, newest first",
        description="The champion, the compared windows, how far each column moved against its threshold, and the log "
        "loss beside the one to expect. Reports are read from MLflow and cached for a few seconds.",
        tags=["model"],
        responses=answer_spec(list[DriftReport], "The reports; empty before the first.", [EXAMPLE])
        | problem_specs(
            HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INTERNAL_SERVER_ERROR
        ),
    )
    async def drift(
        request: Request[Any, Any, Any],
        limit: Annotated[int, Parameter(ge=1, le=MOST, description="Most reports to return.")] = 10,
    ) -> list[DriftReport]:
        refuse_misread(request, {"limit": limit})
        return await cache.get(limit, lambda: anyio.to_thread.run_sync(read_drift, registry, limit))

    return drift
