"""GET /, /health/live and /health/ready: whether the process runs, and whether it answers predictions."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta

from parivision_core.settings import without_folders
from parivision_core.sport import Sport
from parivision_serving.prediction.champion import Watcher, pair_in_service
from parivision_serving.prediction_log.recorder import Recorder
from parivision_serving.web.admission import NO_KEY, OPEN, SCOPE
from parivision_serving.web.liveness import live
from parivision_serving.web.problems import problem_specs


class Ready(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Predictions are answered by this pair."""

    status: str
    champion_version: int
    feature_state_stamp: str
    problems: Annotated[
        list[str],
        Meta(description="What doesn't work, although predictions are answered; left out where all is well."),
    ] = []


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """Links to the main routes."""

    status: str = "alive"
    sport: str
    documentation: str = "/schema"
    openapi: str = "/schema/openapi.json"
    predict: str = "/api/v1/predict"
    champion: str = "/api/v1/champion"
    players: str = "/api/v1/players"
    verdicts: str = "/api/v1/verdicts"


def health_routes(sport: Sport, watcher: Watcher, recorder: Recorder) -> list[HTTPRouteHandler]:
    """Build the handlers."""

    @get(
        "/",
        operation_id="welcome",
        summary="Links to the main routes",
        tags=["health"],
        opt={SCOPE: OPEN},
        security=NO_KEY,
    )
    async def welcome() -> Welcome:
        return Welcome(sport=sport.name)

    @get(
        "/health/ready",
        operation_id="ready",
        summary="Whether predictions are answered",
        tags=["health"],
        opt={SCOPE: OPEN},
        security=NO_KEY,
        responses=problem_specs(HTTPStatus.SERVICE_UNAVAILABLE, guarded=False),
    )
    async def ready() -> Ready:
        pair = pair_in_service(watcher)
        found = (watcher.problem, recorder.problem)
        return Ready(
            status="ready",
            champion_version=pair.champion.version,
            feature_state_stamp=pair.record.stamp,
            problems=[without_folders(problem) for problem in found if problem],
        )

    return [welcome, live, ready]
