"""Holds the pair of champion and feature state in service, and swaps it only for a newer pair that fits."""

from __future__ import annotations

import gc
import logging
from dataclasses import dataclass
from math import ceil
from typing import Any

import anyio
import msgspec
import numpy as np

from parivision_core.bundle import Bundle
from parivision_core.problems import BundleError, PariVisionError, RegistryError, StoreError
from parivision_core.records import FeatureStateRecord
from parivision_core.settings import without_folders
from parivision_core.sport import Sport
from parivision_core.store.base import Store
from parivision_core.tracking.registry import Champion, RegistryReader
from parivision_serving.web.problems import NotReadyError

RETRY_POLLS = 15
"""A champion and feature state that don't fit are tried again only every so many polls, since loading costs CPU. After
what may soon be over, such as a failed download, the next attempts follow after 1, 2, 4 ... polls, up to so many."""
SHORTEST_PAUSE = 0.02

STARTING = "The service has just started and is still looking for a champion; try again in a moment."
NO_CHAMPION = (
    "No champion has been promoted yet. Once a feed, or a file in the inbox, has brought enough games, the pipeline "
    "trains a candidate, by itself in `make up`, once in `make refresh`; the first that passes the gate is served "
    "within seconds."
)
LOST_CHAMPION = (
    "The registry no longer names a champion. If it has lost its models, restore MLflow's database from a backup; "
    "otherwise the pipeline trains a new candidate, by itself in `make up`, once in `make refresh`."
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pair:
    """A bundle and a feature state that fit. A request holds one reference to it, so it never sees half a swap."""

    champion: Champion
    bundle: Bundle
    feature_state: Any
    record: FeatureStateRecord
    """The store's record of the feature state, without its payload, which `feature_state` holds."""


class Watcher:
    """Looks for a new champion or feature state every few seconds; whatever fails, the old pair stays in service."""

    def __init__(self, sport: Sport, registry: RegistryReader, store: Store, poll_seconds: float) -> None:
        self.pair: Pair | None = None
        self.problem: str | None = STARTING
        """Why the latest champion or feature state isn't served, in words fit for callers; None when it is."""
        self.failures = 0
        """How often a look found a new problem."""
        self.looked = anyio.Event()
        """Set once the first look is over, whatever its result."""
        self.poll_seconds = max(poll_seconds, SHORTEST_PAUSE)
        self._sport, self._registry, self._store = sport, registry, store
        self._failed: tuple[Champion, str | None] | None = None
        self._pause, self._polls_until_retry = 0, 0
        self._remembered: Champion | None = None

    async def watch(self) -> None:
        """Look every few seconds, in a worker thread so that requests are answered meanwhile.

        When cancelled, a look under way is finished first, because the registry is closed afterwards.
        """
        while True:
            await anyio.to_thread.run_sync(self.look)
            self.looked.set()
            await anyio.sleep(self.poll_seconds)

    def look(self) -> None:
        """Look once: serve a new pair that fits, or note the problem. Never raises."""
        try:
            self._note(self._look())
        except PariVisionError as error:
            self._note(self._still(str(error)))
        except Exception as error:
            # Whatever failed (a full disk, a deleted folder), the old pair stays in service and the next look follows.
            if self._note(self._still(f"Looking for a new champion failed unexpectedly: {error!r}")):
                log.exception("traceback of the unexpected failure:")

    def _look(self) -> str | None:
        problem, down = None, None
        try:
            champion = self._registry.champion()
        except RegistryError as error:
            champion, down = None, error
        if champion is None:
            if self.pair is None:
                self._remembered = self._registry.remembered()
            champion = self.pair.champion if self.pair else self._remembered
            if champion is None:
                if down:
                    raise down
                return NO_CHAMPION
            why = _ended(str(down)) if down else LOST_CHAMPION
            problem = f"{why} Version {champion.version}, the last one that was served, stays in service."
        wanted = (champion, self._store.feature_state_stamp())
        if self.pair is None or wanted != (self.pair.champion, self.pair.record.stamp):
            if wanted != self._failed:
                self._failed, self._pause, self._polls_until_retry = wanted, 0, 0
            if self._polls_until_retry > 1:
                self._polls_until_retry -= 1
                return self.problem
            try:
                self._serve(champion)
            except Exception as error:
                misfit = isinstance(error, BundleError)
                self._pause = RETRY_POLLS if misfit else min(max(2 * self._pause, 1), RETRY_POLLS)
                self._polls_until_retry = self._pause
                self._fall_back(*wanted)
                raise
        self._failed = None
        if champion != self._remembered:
            self._remember(champion)
        return problem

    def _serve(self, champion: Champion) -> None:
        """Swap the pair in service, once the new one has been loaded and checked."""
        self.pair = self._load(champion)
        # What is alive now will live long: exclude it from garbage collections. What is garbage already would then
        # never be freed, hence the collection before. It blocks requests for 50 ms at the start, 0.3 ms at later swaps.
        gc.collect()
        gc.freeze()
        log.info("serving version %d with feature state %s", champion.version, self.pair.record.stamp)

    def _fall_back(self, champion: Champion, stamp: str | None) -> None:
        """Serve the version that was served last, even before a restart, with the newest feature state."""
        known = self.pair.champion if self.pair else self._registry.remembered()
        if known is None or known == champion or (self.pair and self.pair.record.stamp == stamp):
            return
        try:
            self._serve(known)
            self._remembered = known
        except Exception as error:  # the caller reports the champion's problem
            log.debug("version %d, which was served last, can't be served either: %s", known.version, error)

    def _remember(self, champion: Champion) -> None:
        try:
            self._registry.remember(champion)
        except OSError as error:
            raise RegistryError(
                f"Version {champion.version} can't be saved for a start without the registry: {error}; check the disk "
                "and the rights of PARIVISION_HOME"
            ) from error
        self._remembered = champion

    def _load(self, champion: Champion) -> Pair:
        """Fetch, check and warm up a pair; parts that didn't change are taken from the pair in service."""
        old, sport = self.pair, self._sport
        same = old is not None and old.champion.sha256 == champion.sha256
        bundle = old.bundle if old is not None and same else self._registry.fetch(champion)
        record = self._store.get_feature_state()
        if record is None:
            raise StoreError(f"Version {champion.version} is champion, but the store holds no feature state yet")
        if not bundle.fits(record.schema, record.base_fingerprint):
            raise BundleError(
                f"Version {champion.version} and feature state {record.stamp} don't fit: the bundle was trained on "
                f"feature schema {bundle.card.schema} over base table {bundle.card.base_fingerprint}, the feature "
                f"state has schema {record.schema} over base table {record.base_fingerprint}; run the pipeline "
                "(make refresh)"
            )
        if bundle.card.sport != sport.name or not bundle.fits(sport.schema, sport.base_fingerprint):
            raise BundleError(
                f"Version {champion.version} needs {bundle.card.sport} features of schema {bundle.card.schema}, this "
                f"program builds {sport.name} features of schema {sport.schema}; upgrade the service or retrain"
            )
        feature_state = (
            old.feature_state
            if old is not None and old.record.stamp == record.stamp
            else sport.load_feature_state(record)
        )
        known = bundle.card.known_answers
        bundle.predict(np.asarray(known.features[:1], np.float32), np.asarray(known.offset[:1], np.float32))
        sport.warm_up(feature_state)  # in this worker thread rather than in the first request
        return Pair(champion, bundle, feature_state, msgspec.structs.replace(record, payload=b""))

    def _still(self, problem: str) -> str:
        kept = f"Version {self.pair.champion.version} stays in service." if self.pair else "Nothing is served."
        return f"{_ended(problem)} {kept}"

    def _note(self, problem: str | None) -> bool:
        """Keep the problem for callers; log it in full, but only when it changed. Returns whether it did."""
        before, self.problem = self.problem, problem and without_folders(problem)
        if self.problem == before:
            return False
        if problem is not None:
            self.failures += problem != NO_CHAMPION
            log.log(logging.INFO if problem == NO_CHAMPION else logging.WARNING, "%s", problem)
        elif before not in (STARTING, NO_CHAMPION):
            log.info("the problem is over: the latest champion and feature state are served")
        return True


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "?")) else f"{sentence}."


def pair_in_service(watcher: Watcher) -> Pair:
    """The pair that answers now.

    Raises NotReadyError, with the reason, when there is none.
    """
    if watcher.pair is None:
        raise NotReadyError(watcher.problem or NO_CHAMPION, ceil(watcher.poll_seconds))
    return watcher.pair
