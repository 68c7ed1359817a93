"""Writes outcomes into the prediction log, once the lake holds the predicted shot: matched by its key and its spot.

A prediction for another spot is hypothetical, or about a shot that is yet to come: its outcome stays unknown.

Of all processes that serve a sport, the one that holds the lock does this; another takes over when it dies. A day is
looked at when, since the last look, other predictions await its shots or other batches hold it. So it doesn't matter
which came first, the shot or its prediction, and nothing is read while no prediction waits.

Outcomes follow the lake: when a correction or a withdrawal changed the shots of a day, the outcomes of that day are
looked up again. Where the shot is gone, or another record doesn't decide it, the prediction waits again.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from parivision_core.prediction_log.base import Outcome, PredictionLog
from parivision_core.prediction_log.ids import parts_of
from parivision_core.prediction_log.predictions import OpenedCall
from parivision_core.problems import StoreError
from parivision_core.records import now_ms
from parivision_core.sport import Sport
from parivision_core.store.base import Store
from parivision_core.store.shots import DAY, ID, ShotQuery

LOCK = "outcomes"
MADE = "made"
LOOK_SECONDS = 5.0
DAYS_A_LOOK = 20
"""After a restart all awaited days are looked at, some at a time."""
SHOTS_A_READ = 5_000

Shot = dict[str, Any]

log = logging.getLogger(__name__)


class Outcomes:
    """Looks into the lake every few seconds in its own thread, from `start` to `close`."""

    def __init__(
        self, sport: Sport, store: Store, prediction_log: PredictionLog, look_seconds: float = LOOK_SECONDS
    ) -> None:
        self.problem: str | None = None
        """Why no outcome can be looked up at the moment; None while all is well."""
        self._store, self._prediction_log, self._seconds = store, prediction_log, look_seconds
        self._spot = [name for name in sport.match if name != MADE]
        self._looked: dict[str, tuple[str, int]] = {}
        """Day -> which predictions waited and how many batches held it at the last look."""
        self._revised: dict[str, int] = {}
        """Day -> by how many commits its shots had been changed when its outcomes were looked up again."""
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outcomes", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self, seconds: float = 5.0) -> None:
        """End the thread; a look under way is finished first, unless it takes longer than `seconds`."""
        self._done.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._done.wait(self._seconds):
            try:
                # Held for as long as this process lives, so that one process knows what was looked at.
                with self._store.exclusive(LOCK, wait_seconds=0):
                    while not self._done.wait(self._seconds):
                        self._note(self._try())
            except StoreError as error:  # another process holds it, or the store is down, which other parts report
                log.debug("outcomes aren't looked up here: %s", error)

    def _try(self) -> str | None:
        try:
            self.look()
        except StoreError as error:
            return str(error)
        except Exception as error:  # an ended thread would go unnoticed
            if self.problem is None:
                log.exception("outcomes can't be looked up:")
            return repr(error)
        return None

    def _note(self, problem: str | None) -> None:
        if problem is not None and self.problem is None:
            log.warning("outcomes can't be looked up: %s", problem)
        self.problem = problem

    def look(self) -> int:
        """Look once, newest days first; how many outcomes were written. Raises StoreError."""
        waiting, settled = self._prediction_log.awaited_days(), self._prediction_log.settled_days()
        self._looked = {day: seen for day, seen in self._looked.items() if day in waiting}
        written, looks = 0, 0
        manifests = self._store.manifests() if waiting or settled else []
        for day, waits in sorted(waiting.items(), reverse=True):
            batches = sum(manifest.overlaps(day, day) for manifest in manifests)
            if not batches or self._looked.get(day) == (waits, batches):
                continue
            if looks == DAYS_A_LOOK:
                break
            looks += 1
            written += self._write_outcomes(day)
            self._looked[day] = (waits, batches)
        changes = [manifest.changed for manifest in manifests if manifest.hidden and manifest.changed]
        for day in sorted(settled, reverse=True):
            commits = sum(since <= day <= until for since, until in changes)
            if not commits or self._revised.get(day) == commits:
                continue
            if looks == DAYS_A_LOOK:
                break
            looks += 1
            written += self._follow(day)
            self._revised[day] = commits
        return written

    def _write_outcomes(self, day: str) -> int:
        """Write the outcomes of predictions that await shots of a day; how many."""
        shots = self._shots(day)
        decided = self._decided(self._prediction_log.awaiting(list(shots)), shots)
        return self._put({name: made for name, made in decided.items() if made is not None})

    def _follow(self, day: str) -> int:
        """Look the outcomes of a day up again, whose shots were changed; how many are other ones now."""
        decided = self._decided(self._prediction_log.settled(day), self._shots(day))
        known = self._prediction_log.outcomes(list(decided))
        others = {name: made for name, made in decided.items() if name in known and known[name].made != made}
        self._prediction_log.reopen([name for name, made in others.items() if made is None])
        return self._put({name: made for name, made in others.items() if made is not None})

    def _put(self, made: Mapping[str, bool]) -> int:
        now = now_ms()
        outcomes = {name: Outcome(made=went_in, source="lake", reported_at=now) for name, went_in in made.items()}
        if outcomes:
            self._prediction_log.put_outcomes(outcomes)
        return len(outcomes)

    def _decided(
        self, predictions: Mapping[str, Sequence[str]], shots: Mapping[str, Sequence[Shot]]
    ) -> dict[str, bool | None]:
        """Whether the shot of each prediction, given by its key, went in; None where the shots don't decide that."""
        calls: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
        for key, names in predictions.items():
            for name in names:
                call_id, row = parts_of(name)
                calls[call_id].append((row or 0, name, key))
        decided = {}
        for call_id, rows in calls.items():  # a bulk request is read and decoded once for all of its rows
            call = self._prediction_log.call(call_id)
            if call is None:
                continue
            opened = OpenedCall(call)
            for row, name, key in rows:
                decided[name] = made_of(opened.request(row) or {}, shots.get(key, ()), self._spot)
        return decided

    def _shots(self, day: str) -> dict[str, list[Shot]]:
        """All shots of a day by key."""
        columns = (DAY, ID, *self._spot, MADE)
        shots: dict[str, list[Shot]] = defaultdict(list)
        after = None
        while True:
            found = self._store.find_shots(ShotQuery(since=day, until=day, after=after), SHOTS_A_READ, columns)
            for shot in found:
                shots[key_of(shot)].append(shot)
            if len(found) < SHOTS_A_READ:
                return shots
            after = (found[-1][DAY], found[-1][ID])


def key_of(shot: Mapping[str, Any]) -> str:
    """The key of a shot in the lake, which `Sport.shot_key` gives for a request: its id without the occurrence."""
    key: str = shot[ID].rpartition(":")[0]
    return key


def made_of(request: Mapping[str, Any], shots: Sequence[Shot], spot: Sequence[str]) -> bool | None:
    """Whether the requested shot, one of those with its key, went in; None if they don't decide that."""
    outcomes = {bool(shot[MADE]) for shot in shots if same_spot(request, shot, spot)}
    return outcomes.pop() if len(outcomes) == 1 else None


def same_spot(request: Mapping[str, Any], shot: Mapping[str, Any], spot: Sequence[str]) -> bool:
    """Whether a request is about the spot of a shot, which the lake holds in whole units."""
    return all(isinstance(request.get(name), int | float) and abs(request[name] - shot[name]) <= 0.5 for name in spot)
