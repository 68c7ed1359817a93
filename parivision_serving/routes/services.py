"""GET /api/v1/services: which parts of the house are up."""

from __future__ import annotations

from http import HTTPStatus

from litestar import get
from litestar.handlers import HTTPRouteHandler

from parivision_serving.monitoring.services import ServiceProbes, ServiceStatus
from parivision_serving.web.operations import answered
from parivision_serving.web.problems import documented
from parivision_serving.web.remembered import Remembered

SECONDS = 2.0

EXAMPLE = [
    {
        "name": "mlflow",
        "address": "http://127.0.0.1:5000",
        "up": True,
        "milliseconds": 4.2,
        "problem": None,
        "told": None,
    },
    {
        "name": "dagster",
        "address": "http://127.0.0.1:3000",
        "up": False,
        "milliseconds": 0.8,
        "problem": "nothing answers there; is it running?",
        "told": None,
    },
]


def services_route(probes: ServiceProbes) -> HTTPRouteHandler:
    """Build the handler."""
    remembered = Remembered[list[ServiceStatus]](SECONDS)

    @get(
        "/api/v1/services",
        operation_id="services",
        summary="Which parts of the house are up",
        description="All are asked side by side, for two seconds at most; an answer is at most two seconds old.",
        tags=["health"],
        responses=answered(list[ServiceStatus], "All parts, up or down.", EXAMPLE)
        | documented(HTTPStatus.INTERNAL_SERVER_ERROR),
    )
    async def services() -> list[ServiceStatus]:
        return await remembered.get("", probes.look)

    return services
