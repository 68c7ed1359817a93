"""GET /api/v1/models/{version}/report: what is known about a registered version, champion or not."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

import anyio
import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Example
from litestar.params import Parameter
from msgspec import Meta

from parivision_core.records import Verdict
from parivision_core.store.base import Store
from parivision_core.tracking.model_reports import VersionReport, read_report
from parivision_core.tracking.registry import RegistryReader
from parivision_serving.web.answer_cache import AnswerCache
from parivision_serving.web.operations import PlainOperation, answer_spec
from parivision_serving.web.problems import NotFoundError, problem_specs

SECONDS = 5.0
MOST_VERSION = 2**31 - 1


class ModelReport(msgspec.Struct, frozen=True, kw_only=True):
    """A version's record in the registry, and its verdicts."""

    registered: VersionReport
    verdicts: Annotated[list[Verdict], Meta(description="Its comparisons with champions, newest first.")]


EXAMPLE = {
    "registered": {
        "version": 3,
        "champion": True,
        "status": "champion",
        "defects": "",
        "registered_at": 1_795_366_952_347,
        "sha256": "7b3820c33f1ce8ef7ab14d87c23742226bf8487304aca9d215bc3b5f725864b9",
        "run_id": "b8b0c81056e5471b922adfe43f0c132e",
        "run_page": "http://127.0.0.1:5000/#/experiments/1/runs/b8b0c81056e5471b922adfe43f0c132e"
        "?workflowType=machine_learning",
        "tags": {"parivision.status": "champion"},
        "bundle": None,
        "parameters": {"model": "xgboost", "rounds": "155"},
        "measured": {
            "unseen": {
                "shots": 41505,
                "scores": {"log_loss": {"value": 0.6378, "low": 0.6341, "high": 0.6415}},
                "reliability": [{"predicted": 0.305, "observed": 0.303, "count": 4151}],
            }
        },
        "choices": {"tried_xgboost_masked_log_loss": 0.6395},
        "importance": {"base_logit": 0.31},
    },
    "verdicts": [],
}


def report_route(registry: RegistryReader, store: Store) -> HTTPRouteHandler:
    """Build the handler."""
    cache = AnswerCache[ModelReport | None](SECONDS)

    def read(version: int) -> ModelReport | None:
        found = read_report(registry, version)
        if found is None:
            return None
        return ModelReport(registered=found, verdicts=store.verdicts(candidate=version))

    @get(
        "/api/v1/models/{version:int}/report",
        operation_id="model_report",
        operation_class=PlainOperation,
        summary="Report on a registered version",
        description="Status, scores with intervals, reliability, feature importance, parameters, the window of its "
        "data, provenance and verdicts. Reports are read from MLflow and cached for a few seconds.",
        tags=["model"],
        responses=answer_spec(ModelReport, "The report.", EXAMPLE)
        | problem_specs(
            HTTPStatus.NOT_FOUND,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.SERVICE_UNAVAILABLE,
            HTTPStatus.INTERNAL_SERVER_ERROR,
        ),
    )
    async def model_report(
        version: Annotated[
            int, Parameter(ge=1, le=MOST_VERSION, description="A registered version.", examples=[Example(value=1)])
        ],
    ) -> ModelReport:
        found = await cache.get(version, lambda: anyio.to_thread.run_sync(read, version))
        if found is None:
            raise NotFoundError(
                f"{registry.model} has no version {version} in the registry; /api/v1/verdicts lists those that were "
                "compared, /api/v1/champion the one in service"
            )
        return found

    return model_report
