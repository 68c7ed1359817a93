"""GET /api/v1/services: which services of the platform are up."""

from __future__ import annotations

from http import HTTPStatus

from litestar import get
from litestar.handlers import HTTPRouteHandler

from parivision_serving.monitoring.services import ServiceProbes, ServiceStatus
from parivision_serving.web.answer_cache import AnswerCache
from parivision_serving.web.operations import answer_spec
from parivision_serving.web.problems import problem_specs

SECONDS = 2.0

EXAMPLE = [
    {
        "name": "mlflow",
        "address": "http://127.0.0.1:5000",
        "up": True,
        "milliseconds": 4.2,
        "problem": None,
        "details": None,
    },
    {
        "name": "dagster",
        "address": "http://127.0.0.1:3000",
        "up": False,
        "milliseconds": 0.8,
        "problem": "nothing answers at this address; is the service running?",
        "details": None,
    },
]


def services_route(probes: ServiceProbes) -> HTTPRouteHandler:
    """Build the handler."""
    cache = AnswerCache[list[ServiceStatus]](SECONDS)

    @get(
        "/api/v1/services",
        operation_id="services",
        summary="Which services of the platform are up",
        description="All are probed at the same time, for two seconds at most; the answer is cached for two seconds.",
        tags=["health"],
        responses=answer_spec(list[ServiceStatus], "All services, up or down.", EXAMPLE)
        | problem_specs(HTTPStatus.INTERNAL_SERVER_ERROR),
    )
    async def services() -> list[ServiceStatus]:
        return await cache.get("", probes.look)

    return services
