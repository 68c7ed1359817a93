"""GET /, /health/live and /health/ready: whether the process answers, and whether it answers predictions."""

from __future__ import annotations

from http import HTTPStatus

from litestar import get
from litestar.handlers import HTTPRouteHandler

from parivision_core.sport import Sport
from parivision_serving.admission import NO_KEY, OPEN, SCOPE
from parivision_serving.champion import Watcher
from parivision_serving.problems import documented
from parivision_serving.routes.live import live
from parivision_serving.routes.served import served
from parivision_serving.schemas import Ready, Welcome


def health_routes(sport: Sport, watcher: Watcher) -> list[HTTPRouteHandler]:
    """Build the handlers."""

    @get(
        "/",
        operation_id="welcome",
        summary="Where to go from here",
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
        responses=documented(HTTPStatus.SERVICE_UNAVAILABLE, guarded=False),
    )
    async def ready() -> Ready:
        pair = served(watcher)
        return Ready(champion_version=pair.champion.version, form_stamp=pair.record.stamp)

    return [welcome, live, ready]
