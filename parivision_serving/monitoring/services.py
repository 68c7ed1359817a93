"""The other parts of the house: which of them answer now, asked side by side with a short limit each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Annotated

import anyio
import anyio.to_thread
import httpx
import msgspec
from msgspec import Meta

from parivision_core.problems import PariVisionError
from parivision_core.settings import VIRTUAL_BETS, Settings, without_login
from parivision_core.sport import Sport
from parivision_core.store.base import Store

LIMIT_SECONDS = 2.0
REPLAYED = "file "
"""How VirtualBets names a world that it reads from a file."""
THREADS = 4
"""Checks that may wait in threads at once; one that hangs is left behind, and must not take those of the requests."""


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a part of the house answers."""

    name: Annotated[str, Meta(examples=["mlflow"])]
    address: Annotated[str, Meta(description="Where it is asked, without user and password.")]
    up: bool
    milliseconds: Annotated[float, Meta(description="Until it answered, or was given up.")]
    problem: Annotated[str | None, Meta(description="Why it counts as down; null when it is up.")]
    told: Annotated[str | None, Meta(description="What it says of itself, where that differs from house to house.")]


@dataclass(frozen=True)
class ServiceProbe:
    """A part of the house; asking it raises when it is down, and gives what it says of itself if it does."""

    name: str
    address: str
    ask: Callable[[], Awaitable[str | None]]


class World(msgspec.Struct, frozen=True):
    """What VirtualBets says of the league that it plays."""

    world: str
    scenario: str
    days_a_minute: float
    today: dt.date
    waits: bool = False

    def __str__(self) -> str:
        """As a person is told."""
        if self.world.startswith(REPLAYED):
            what = "replays a file of real shots"
        else:
            what = f"simulates a league of real teams and invented players, scenario {self.scenario}"
        today = f"{self.today.day} {self.today:%B %Y}"
        waits = ", and it waits until its batches are read" if self.waits else ""
        return f"{what}, {self.days_a_minute:g} days a minute; it is {today} there{waits}"


class ServiceProbes:
    """All parts that a service knows, as its settings name them; VirtualBets only where it feeds the house."""

    def __init__(self, settings: Settings, sport: Sport, store: Store, prediction_log: Callable[[], object]) -> None:
        """`prediction_log` asks the prediction log for something small, and raises when that can't be had."""
        self._threads = anyio.CapacityLimiter(THREADS)
        kept = without_login(settings.mongo_url) if settings.mongo_url else str(settings.home)
        self._all = [
            self._page("mlflow", settings.registry_url, "/health"),
            self._page("dagster", settings.dagster_page, "/server_info"),
            *([self._page("feed", settings.feed_url, "/status", World)] if VIRTUAL_BETS in settings.feeds else []),
            self._page("page", f"http://127.0.0.1:{settings.ui_port}", "/"),
            self._call("store", f"{kept} ({sport.name})", store.feature_state_stamp),
            self._call("prediction_log", f"{kept} ({sport.name})", prediction_log),
        ]

    @cached_property
    def _http(self) -> httpx.AsyncClient:
        # No connection stays open, so that there is nothing to close in the end.
        return httpx.AsyncClient(timeout=LIMIT_SECONDS, limits=httpx.Limits(max_keepalive_connections=0))

    async def look(self) -> list[ServiceStatus]:
        """Ask all of them; takes no longer than the limit."""
        return await look(self._all)

    def _page(self, name: str, url: str, path: str, says: type[World] | None = None) -> ServiceProbe:
        async def ask() -> str | None:
            answer = await self._http.get(url.rstrip("/") + path)
            if answer.is_error:
                raise PariVisionError(f"answers {answer.status_code} to {path}; something else may run there")
            if says is None:
                return None
            try:
                return str(msgspec.json.decode(answer.content, type=says))
            except msgspec.DecodeError as error:
                raise PariVisionError(f"answers something else to {path} than expected; what runs there?") from error

        return ServiceProbe(name, without_login(url), ask)

    def _call(self, name: str, address: str, call: Callable[[], object]) -> ServiceProbe:
        async def ask() -> None:
            await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._threads)

        return ServiceProbe(name, address, ask)


async def look(services: Sequence[ServiceProbe]) -> list[ServiceStatus]:
    """Ask neighbours side by side, each for no longer than the limit."""
    found: dict[str, ServiceStatus] = {}

    async def note(probe: ServiceProbe) -> None:
        found[probe.name] = await _asked(probe)

    async with anyio.create_task_group() as tasks:
        for probe in services:
            tasks.start_soon(note, probe)
    return [found[probe.name] for probe in services]


async def _asked(probe: ServiceProbe) -> ServiceStatus:
    began, problem, told = perf_counter(), None, None
    try:
        with anyio.fail_after(LIMIT_SECONDS):
            told = await probe.ask()
    except (TimeoutError, httpx.TimeoutException):
        problem = f"gave no answer within {LIMIT_SECONDS:g} seconds"
    except (httpx.HTTPError, httpx.InvalidURL):
        problem = "nothing answers there; is it running?"
    except PariVisionError as error:
        problem = str(error)
    return ServiceStatus(
        name=probe.name,
        address=probe.address,
        up=problem is None,
        milliseconds=round((perf_counter() - began) * 1e3, 1),
        problem=problem,
        told=told,
    )
