"""Wires VirtualBets: settings in, a Litestar application out."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from litestar import Litestar, Router
from litestar.handlers import HTTPRouteHandler
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig

from parivision_core.cross_origin import SAFE, CrossOriginProtection
from parivision_core.problems import BatchError, ConfigurationError, PariVisionError
from parivision_serving.virtual_bets.clock import StateFile
from parivision_serving.virtual_bets.feed import FeedService
from parivision_serving.virtual_bets.nba.season_file import SeasonFile
from parivision_serving.virtual_bets.nba.simulator import Simulator
from parivision_serving.virtual_bets.problems import HANDLERS
from parivision_serving.virtual_bets.routes.batches import batch_routes
from parivision_serving.virtual_bets.routes.getdata import getdata_routes
from parivision_serving.virtual_bets.routes.health import health_routes
from parivision_serving.virtual_bets.settings import VirtualBetsSettings
from parivision_serving.virtual_bets.source import BatchSource
from parivision_serving.web import openapi_page

LARGEST_BODY = 1024
"""No route takes a body."""


def create_app(settings: VirtualBetsSettings | None = None, now: Callable[[], float] = time.monotonic) -> Litestar:
    """The service over the source that the settings name; `now` is a clock in seconds, which tests replace.

    Raises ConfigurationError or StoreError when settings, file or state can't be used.
    """
    settings = settings or VirtualBetsSettings.from_env()
    source = source_of(settings)
    file = StateFile(settings.folder)
    try:
        feed = FeedService(source, file, settings, now)
    except PariVisionError:
        file.close()
        raise

    @asynccontextmanager
    async def closing(_: Litestar) -> AsyncIterator[None]:
        try:
            yield
        finally:
            feed.close()

    def protected(*routes: HTTPRouteHandler, safe: frozenset[str]) -> Router:
        middleware = DefineMiddleware(
            CrossOriginProtection, hosts=settings.known_hosts, setting="VIRTUAL_BETS_HOSTS", safe=safe
        )
        return Router("/", route_handlers=routes, middleware=[middleware])

    return Litestar(
        [
            protected(*health_routes(feed), safe=SAFE),
            # As in the original system, GET resets and moves on: an image on any page could.
            protected(*batch_routes(feed), *getdata_routes(feed), safe=frozenset()),
        ],
        lifespan=[closing],
        exception_handlers=HANDLERS,
        openapi_config=OpenAPIConfig(
            title="VirtualBets",
            version="1",
            description="Shots day by day, from a simulated league or a file.",
            use_handler_docstrings=False,
            render_plugins=[openapi_page.page()],
            openapi_router=openapi_page.router(),
        ),
        request_max_body_size=LARGEST_BODY,
        logging_config=None,
    )


def source_of(settings: VirtualBetsSettings) -> BatchSource:
    """The file named in the settings, else a simulation.

    Raises ConfigurationError when the file can't be served.
    """
    if settings.file is None:
        return Simulator(settings.seed, settings.scenario)
    try:
        return SeasonFile(settings.file)
    except (BatchError, OSError) as error:
        raise ConfigurationError(f"VIRTUAL_BETS_FILE={str(settings.file)!r} can't be served: {error}") from error
