"""Progress of the first start, from the lake to a served champion: one line for each stage that is reached."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http import HTTPStatus

from deploy.probe import probe
from parivision_core.problems import PariVisionError
from parivision_core.store.base import Store

PAUSE_SECONDS = 1.0
REPORT_SECONDS = 15.0
"""Seconds between two lines about a stage that takes long."""


class StartProgress:
    """Checks the store and the API, once a second, until the first champion is served."""

    def __init__(self, store: Store, api: str, feed: str | None, say: Callable[[str], None]) -> None:
        """`api` and `feed` are addresses; `feed`, a VirtualBets, says how many batches its first season has."""
        self._store, self._api, self._feed, self._say = store, api, feed, say
        self._stages = self._follow()
        self._checked = 0.0
        self.over = False
        """Whether no more lines will follow: a champion is served, or the first candidate wasn't good enough."""

    def step(self) -> None:
        """Check if it is time again, and report what is new."""
        if self.over or time.monotonic() - self._checked < PAUSE_SECONDS:
            return
        self._checked = time.monotonic()
        try:
            next(self._stages, None)
        # A store that fails, or a response of another program: the services themselves report more.
        except (PariVisionError, ValueError, KeyError):
            self._stages = self._follow()
        with suppress(ValueError, KeyError):
            self._check_champion()

    def _follow(self) -> Iterator[None]:
        """Report the stages in their order; one check between two yields."""
        verdicts = self._store.verdicts(limit=1)
        if not verdicts:  # otherwise this isn't the first start
            yield from self._ingested()
            while not (state := self._store.warehouse_state()).rows:
                yield
            self._say(f"features: {state.rows:,} shots folded")
            while not (verdicts := self._store.verdicts(limit=1)):
                yield
            self._say(f"candidate: version {verdicts[0].candidate}, {verdicts[0].decision}: {verdicts[0].reason}")
            if verdicts[0].decision != "pass":
                self.over = True

    def _check_champion(self) -> None:
        """Done at every check: after an interrupted start a champion may be served before all batches are in."""
        if self.over:
            return
        status, body = probe(f"{self._api}/health/ready")
        if status == HTTPStatus.OK:
            version = json.loads(body)["champion_version"]
            self._say(f"champion: version {version}, served at {self._api}")
            self.over = True

    def _ingested(self) -> Iterator[None]:
        """Wait until the batches of the first season are in the lake."""
        wanted, reported, seen, stalled = 1, time.monotonic(), 0, False
        if self._feed is not None:
            while (response := probe(f"{self._feed}/batches?limit=1"))[0] != HTTPStatus.OK:
                yield
            wanted = int(json.loads(response[1])["newest"])
        while len(batches := self._store.manifests()) + self._unusable() < wanted:
            if batches and time.monotonic() - reported > REPORT_SECONDS:
                if len(batches) > seen:
                    seen, reported, stalled = len(batches), time.monotonic(), False
                    self._say(f"lake: {seen} of the first {wanted} batches")
                elif not stalled:
                    stalled = True
                    self._say(f"lake: still {seen} of the first {wanted} batches; the next ingest brings more")
            yield
        count = "1 batch" if len(batches) == 1 else f"{len(batches)} batches"
        self._say(f"lake: {count}, {sum(m.added for m in batches):,} shots")

    def _unusable(self) -> int:
        """Number of batches that can't be read, for which waiting is useless."""
        return sum(bool(failure.rejected_by) for failure in self._store.failures())
