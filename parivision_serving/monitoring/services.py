"""Probes the platform's other services: which of them answer now, all at once and each within a short time limit."""

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
"""How VirtualBets names its source when that is a file."""
THREADS = 4
"""Threads for probes: one that hangs is abandoned in its thread, and must not take threads from requests."""


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a service of the platform answers."""

    name: Annotated[str, Meta(examples=["mlflow"])]
    address: Annotated[str, Meta(description="Where it was probed, without user and password.")]
    up: bool
    milliseconds: Annotated[float, Meta(description="Time until it answered or was given up.")]
    problem: Annotated[str | None, Meta(description="Why it counts as down; null when it is up.")]
    details: Annotated[str | None, Meta(description="What it is doing, in words; only the feed reports that.")]


@dataclass(frozen=True)
class ServiceProbe:
    """How to probe one service: `check` raises when it is down, and may return details."""

    name: str
    address: str
    check: Callable[[], Awaitable[str | None]]


class FeedStatus(msgspec.Struct, frozen=True):
    """The part of VirtualBets' status that is shown."""

    source: str
    scenario: str
    days_a_minute: float
    today: dt.date
    waits: bool = False

    def __str__(self) -> str:
        """In words."""
        if self.source.startswith(REPLAYED):
            what = "replays a file of real shots"
        else:
            what = f"simulates a league of real teams and invented players, scenario {self.scenario}"
        today = f"{self.today.day} {self.today:%B %Y}"
        waits = ", and it waits until its batches are read" if self.waits else ""
        return f"{what}, {self.days_a_minute:g} days a minute; it is {today} there{waits}"


class ServiceProbes:
    """Probes of all services that the settings name; VirtualBets only where it is one of the feeds."""

    def __init__(self, settings: Settings, sport: Sport, store: Store, prediction_log: Callable[[], object]) -> None:
        """`prediction_log` reads something small from the prediction log, and raises when that fails."""
        self._threads = anyio.CapacityLimiter(THREADS)
        kept = without_login(settings.mongo_url) if settings.mongo_url else str(settings.home)
        self._all = [
            self._page("mlflow", settings.registry_url, "/health"),
            self._page("dagster", settings.dagster_page, "/server_info"),
            *([self._page("feed", settings.feed_url, "/status", FeedStatus)] if VIRTUAL_BETS in settings.feeds else []),
            self._page("page", f"http://127.0.0.1:{settings.ui_port}", "/"),
            self._call("store", f"{kept} ({sport.name})", store.feature_state_stamp),
            self._call("prediction_log", f"{kept} ({sport.name})", prediction_log),
        ]

    @cached_property
    def _http(self) -> httpx.AsyncClient:
        # No connection is kept alive, so that none has to be closed.
        return httpx.AsyncClient(timeout=LIMIT_SECONDS, limits=httpx.Limits(max_keepalive_connections=0))

    async def look(self) -> list[ServiceStatus]:
        """Probe all services; takes no longer than the limit."""
        return await look(self._all)

    def _page(self, name: str, url: str, path: str, status: type[FeedStatus] | None = None) -> ServiceProbe:
        async def check() -> str | None:
            answer = await self._http.get(url.rstrip("/") + path)
            if answer.is_error:
                raise PariVisionError(
                    f"answers {answer.status_code} to {path}; another program may run at this address"
                )
            if status is None:
                return None
            try:
                return str(msgspec.json.decode(answer.content, type=status))
            except msgspec.DecodeError as error:
                raise PariVisionError(
                    f"gave an unexpected answer to {path}; another program may run at this address"
                ) from error

        return ServiceProbe(name, without_login(url), check)

    def _call(self, name: str, address: str, call: Callable[[], object]) -> ServiceProbe:
        async def check() -> None:
            await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._threads)

        return ServiceProbe(name, address, check)


async def look(services: Sequence[ServiceProbe]) -> list[ServiceStatus]:
    """Probe services at the same time, each for no longer than the limit."""
    found: dict[str, ServiceStatus] = {}

    async def note(probe: ServiceProbe) -> None:
        found[probe.name] = await _probed(probe)

    async with anyio.create_task_group() as tasks:
        for probe in services:
            tasks.start_soon(note, probe)
    return [found[probe.name] for probe in services]


async def _probed(probe: ServiceProbe) -> ServiceStatus:
    began, problem, details = perf_counter(), None, None
    try:
        with anyio.fail_after(LIMIT_SECONDS):
            details = await probe.check()
    except (TimeoutError, httpx.TimeoutException):
        problem = f"gave no answer within {LIMIT_SECONDS:g} seconds"
    except (httpx.HTTPError, httpx.InvalidURL):
        problem = "nothing answers at this address; is the service running?"
    except PariVisionError as error:
        problem = str(error)
    return ServiceStatus(
        name=probe.name,
        address=probe.address,
        up=problem is None,
        milliseconds=round((perf_counter() - began) * 1e3, 1),
        problem=problem,
        details=details,
    )
