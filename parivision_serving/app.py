"""Wires the service: settings and a sport in, a Litestar application out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from litestar import Litestar
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin

from parivision_core.nba import NBA
from parivision_core.registry import Registry
from parivision_core.settings import Settings
from parivision_core.sport import Sport
from parivision_core.store import open_store
from parivision_serving.champion import Watcher
from parivision_serving.problems import answer
from parivision_serving.routes.champion import champion_route
from parivision_serving.routes.health import health_routes
from parivision_serving.routes.players import players_route
from parivision_serving.routes.predict import predict_route
from parivision_serving.routes.verdicts import verdicts_route

FIRST_LOOK_SECONDS = 10.0
"""How long a start waits for the first look, so that a restart doesn't begin with needless 503s."""
LARGEST_BODY = 64 * 1024
"""A request has some 200 bytes, with a whole game before it 40,000; more than this is a mistake or an attack."""


def create_app(settings: Settings | None = None, sport: Sport = NBA) -> Litestar:
    """The service of one sport.

    Raises ConfigurationError or StoreError when settings or the store can't be used; a registry that is down or
    empty is no error, the service then says 503 until there is a champion.
    """
    settings = settings or Settings.from_env()
    store = open_store(settings, sport)
    registry = Registry(settings.registry_url, sport.registered_model, settings.cache)
    watcher = Watcher(sport, registry, store, settings.champion_poll_seconds)

    @asynccontextmanager
    async def watching(_: Litestar) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watcher.watch)
            with anyio.move_on_after(FIRST_LOOK_SECONDS):
                await watcher.looked.wait()
            yield
            tasks.cancel_scope.cancel()
        registry.close()

    return Litestar(
        [
            *health_routes(sport, watcher),
            predict_route(sport, watcher),
            players_route(sport, watcher),
            champion_route(watcher),
            verdicts_route(store),
        ],
        lifespan=[watching],
        exception_handlers={Exception: answer},
        openapi_config=OpenAPIConfig(
            title="PariVision",
            version="1",
            description="Will this shot go in? Probabilities that can be trusted and traced.",
            use_handler_docstrings=False,
            # The page's JavaScript comes from a public CDN; /schema/openapi.json needs nothing from outside.
            render_plugins=[SwaggerRenderPlugin()],
        ),
        request_max_body_size=LARGEST_BODY,
        logging_config=None,  # the launcher configures logging; Litestar's queue would swallow uvicorn's format
        state=State({"watcher": watcher}),
    )
