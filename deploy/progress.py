"""How far the first shots have come, from the lake to a served champion: a line for each stage that is reached."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http import HTTPStatus

from deploy.asking import ask
from parivision_core.problems import PariVisionError
from parivision_core.store.base import Store

PAUSE_SECONDS = 1.0
WORD_SECONDS = 15.0
"""Between two lines about a stage that takes long."""


class StartProgress:
    """Looks at the store and the API, once a second, until the first champion is served."""

    def __init__(self, store: Store, api: str, feed: str | None, say: Callable[[str], None]) -> None:
        """`api` and `feed` are addresses; VirtualBets at the latter tells how many batches there are to begin with."""
        self._store, self._api, self._feed, self._say = store, api, feed, say
        self._stages = self._follow()
        self._looked = 0.0
        self.over = False
        """Whether nothing more is to come: a champion is served, or the first candidate wasn't good enough."""

    def step(self) -> None:
        """Look, when it is time again, and say what is new."""
        if self.over or time.monotonic() - self._looked < PAUSE_SECONDS:
            return
        self._looked = time.monotonic()
        try:
            next(self._stages, None)
        # A store that stumbles, or an answer that isn't ours: the services themselves tell more.
        except (PariVisionError, ValueError, KeyError):
            self._stages = self._follow()
        with suppress(ValueError, KeyError):
            self._look_for_champion()

    def _follow(self) -> Iterator[None]:
        """One look between two yields."""
        verdicts = self._store.verdicts(limit=1)
        if not verdicts:  # else the house has been up before
            yield from self._ingested()
            while not (state := self._store.warehouse_state()).rows:
                yield
            self._say(f"features: {state.rows:,} shots folded")
            while not (verdicts := self._store.verdicts(limit=1)):
                yield
            self._say(f"candidate: version {verdicts[0].candidate}, {verdicts[0].decision}: {verdicts[0].reason}")
            if verdicts[0].decision != "pass":
                self.over = True

    def _look_for_champion(self) -> None:
        """At every look, for a house that was interrupted may have one before all of its first season is in."""
        if self.over:
            return
        status, answer = ask(f"{self._api}/health/ready")
        if status == HTTPStatus.OK:
            version = json.loads(answer)["champion_version"]
            self._say(f"champion: version {version}, served at {self._api}")
            self.over = True

    def _ingested(self) -> Iterator[None]:
        """Until the batches of the first season are in the lake."""
        first, told, seen, patient = 1, time.monotonic(), 0, False
        if self._feed is not None:
            while (answer := ask(f"{self._feed}/batches?limit=1"))[0] != HTTPStatus.OK:
                yield
            first = int(json.loads(answer[1])["newest"])
        while len(batches := self._store.manifests()) + self._unusable() < first:
            if batches and time.monotonic() - told > WORD_SECONDS:
                if len(batches) > seen:
                    seen, told, patient = len(batches), time.monotonic(), False
                    self._say(f"lake: {seen} of the {first} batches to begin with")
                elif not patient:
                    patient = True
                    self._say(
                        f"lake: still {seen} of the {first} batches to begin with; others come with the next ingest"
                    )
            yield
        count = "1 batch" if len(batches) == 1 else f"{len(batches)} batches"
        self._say(f"lake: {count}, {sum(m.inserted for m in batches):,} shots")

    def _unusable(self) -> int:
        """Batches that no waiting will bring."""
        return sum(bool(failure.rejected_by) for failure in self._store.failures())
