"""Builds the application of the prediction service from its settings and a sport."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig

from parivision_core.nba.shots import NBA
from parivision_core.prediction_log import open_prediction_log
from parivision_core.problems import ConfigurationError
from parivision_core.sport import Sport
from parivision_core.store import open_store
from parivision_core.store.base import Store
from parivision_core.tracking.registry import RegistryReader
from parivision_serving.monitoring.metrics_updater import MetricsUpdater
from parivision_serving.monitoring.services import ServiceProbes
from parivision_serving.prediction.bulk import BulkPredictor
from parivision_serving.prediction.champion import Watcher
from parivision_serving.prediction.predicting import Predictor
from parivision_serving.prediction_log.outcomes import Outcomes
from parivision_serving.prediction_log.recorder import Recorder
from parivision_serving.routes.bulk import bulk_route
from parivision_serving.routes.champion import champion_route
from parivision_serving.routes.compat import compat_routes
from parivision_serving.routes.data import data_route
from parivision_serving.routes.drift import drift_route
from parivision_serving.routes.health import health_routes
from parivision_serving.routes.metrics import metrics_route
from parivision_serving.routes.models import report_route
from parivision_serving.routes.players import players_route
from parivision_serving.routes.predict import predict_route
from parivision_serving.routes.predictions import predictions_routes
from parivision_serving.routes.services import services_route
from parivision_serving.routes.shots import shots_route
from parivision_serving.routes.surface import surface_route
from parivision_serving.routes.teams import teams_route
from parivision_serving.routes.verdicts import verdicts_route
from parivision_serving.settings import ServiceSettings
from parivision_serving.web import openapi_page
from parivision_serving.web.admission import COMPONENTS, NEEDED, POSSIBLE, Admission
from parivision_serving.web.keys import Keys
from parivision_serving.web.limits import RateLimit
from parivision_serving.web.logs import configure
from parivision_serving.web.metrics import Metrics
from parivision_serving.web.middleware import Middleware
from parivision_serving.web.problems import problem_response
from parivision_serving.web.process import SWITCH_SECONDS
from parivision_serving.web.profiling import Profiling
from parivision_serving.web.requests import QuickRequest

FIRST_LOOK_SECONDS = 10.0
"""How long a start waits for the first look at the registry, so that a restart doesn't begin with needless 503s."""
CORS: dict[str, Any] = {
    "allow_methods": ["GET", "HEAD", "POST", "DELETE"],
    "allow_headers": ["content-type", "x-api-key", "x-request-id"],
    "expose_headers": ["x-request-id", "x-prediction-id", "retry-after"],
}
"""What scripts of the origins in PARIVISION_API_ORIGINS may send, and which headers of the answer they may read."""
LARGEST_BODY = 64 * 1024
"""In bytes. A request has some 200, with all earlier shots of its game 40,000; more is a mistake or an attack."""


class PredictionService(Litestar):
    """A Litestar application inside the middleware, which so also sees requests that Litestar itself refuses."""

    __slots__ = ("_outermost",)

    def __init__(self, *parts: Any, metrics: Metrics, settings: ServiceSettings, **options: Any) -> None:
        super().__init__(*parts, **options)
        inner = super().__call__
        profiled = Profiling(inner, Path(settings.profile).expanduser()) if settings.profile else inner
        self._outermost = Middleware(profiled, metrics, settings.hosts, settings.origins)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one request or lifespan event. HEAD is handled as GET; the server leaves out the body."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = scope | {"method": "GET"}
        await self._outermost(scope, receive, send)


def open_service(settings: ServiceSettings, sport: Sport = NBA) -> tuple[Keys, Store]:
    """The API keys and the store, without which the service can't start.

    Raises ConfigurationError or StoreError when settings or the store can't be used, or when a key is needed and none
    exists.
    """
    keys = Keys(settings.api_keys, settings.api_key)
    if not keys.any() and settings.needs_key:
        raise ConfigurationError(
            "the service needs an API key, because it can be reached from other machines (PARIVISION_API_HOST, "
            "PARIVISION_API_HOSTS) or PARIVISION_API_AUTH asks for one, but none exists: make one with "
            "`python -m parivision_serving.web.keys add NAME`, or set PARIVISION_API_KEY"
        )
    return keys, open_store(settings, sport)


def create_app(settings: ServiceSettings | None = None, sport: Sport = NBA) -> PredictionService:
    """The prediction service of one sport.

    Raises what `open_service` raises. A registry that is down or empty is no error: the service answers with the last
    champion from its cache if there is one, and else 503 until there is a champion.
    """
    settings = settings or ServiceSettings.from_env()
    keys, store = open_service(settings, sport)
    registry = RegistryReader(settings.registry_url, sport.registered_model, settings.cache, settings.mlflow_page)
    watcher = Watcher(sport, registry, store, settings.champion_poll_seconds)
    prediction_log = open_prediction_log(settings, sport)
    recorder = Recorder(prediction_log, retention_days=settings.prediction_log_days)
    outcomes = Outcomes(sport, store, prediction_log)
    metrics_updater = MetricsUpdater(watcher, recorder, registry)
    metrics = Metrics(metrics_updater.readings)
    predictor = Predictor(sport, watcher, recorder, metrics)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watcher.watch)
            tasks.start_soon(metrics_updater.run, metrics)
            tasks.start_soon(metrics_updater.watch_drift)
            outcomes.start()
            with anyio.move_on_after(FIRST_LOOK_SECONDS):
                await watcher.looked.wait()
            yield
            tasks.cancel_scope.cancel()
        registry.close()
        for part in (recorder, outcomes, prediction_log):
            await anyio.to_thread.run_sync(part.close)

    return PredictionService(
        [
            *health_routes(sport, watcher, recorder),
            predict_route(sport, predictor),
            bulk_route(sport, BulkPredictor(sport, watcher, recorder, metrics)),
            surface_route(sport, watcher),
            players_route(sport, watcher),
            teams_route(sport),
            shots_route(sport, store),
            data_route(sport, store, watcher),
            *predictions_routes(sport, prediction_log, recorder),
            champion_route(registry, watcher),
            verdicts_route(registry, store),
            report_route(registry, store),
            drift_route(registry),
            services_route(ServiceProbes(settings, sport, store, lambda: prediction_log.calls(limit=1))),
            *compat_routes(sport, registry, watcher, predictor.predict),
            metrics_route(metrics),
        ],
        metrics=metrics,
        settings=settings,
        lifespan=[lifespan],
        middleware=[
            DefineMiddleware(
                Admission,
                keys=keys,
                limit=RateLimit(settings.api_rate / settings.api_workers),
                needs_key=settings.needs_key,
            )
        ],
        exception_handlers={Exception: problem_response},
        cors_config=CORSConfig(allow_origins=settings.origins, **CORS) if settings.origins else None,
        openapi_config=OpenAPIConfig(
            title="PariVision",
            version="1",
            description="Will this shot go in? Probabilities that can be trusted and traced.",
            use_handler_docstrings=False,
            components=COMPONENTS,
            security=NEEDED if settings.needs_key else POSSIBLE,
            render_plugins=[openapi_page.page()],
            openapi_router=openapi_page.router(),
        ),
        request_class=QuickRequest,
        request_max_body_size=LARGEST_BODY,
        logging_config=None,  # `web.logs.configure` does; Litestar's queue would hide uvicorn's format
        state=State({"watcher": watcher, "recorder": recorder}),
    )


def worker() -> PredictionService:
    """The service in one of several worker processes, each of which starts with nothing but the environment."""
    settings = ServiceSettings.from_env()
    configure(settings.log)
    sys.setswitchinterval(SWITCH_SECONDS)
    return create_app(settings)
