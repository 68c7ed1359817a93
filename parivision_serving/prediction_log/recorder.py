"""Brings predictions into the prediction log from a thread of its own, many in one commit: no request waits for a disk.

What happens under overload, or while the prediction log can't be written: predictions are answered and wait in memory, up to
`max_calls` of them or `max_bytes`. Beyond that the newest single ones are answered but not kept, counted as dropped;
batches wait some seconds for room and are refused then, as those are at once that were to be durable (503,
Retry-After). What waits is written as soon as the prediction log can be, in its order. A crash loses what waits, at most the
last fifth of a second of a sound prediction log; a durable answer is never lost.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from parivision_core.prediction_log.base import Call, PredictionLog
from parivision_core.prediction_log.ids import first_at, made_at
from parivision_core.problems import StoreError
from parivision_core.records import now_ms

MAX_CALLS = 100_000
MAX_BYTES = 64 * 1024 * 1024
CALL_BYTES = 500
"""What a call takes in memory beside what was asked and answered."""
KEY_BYTES = 180
"""What each shot takes that it awaits: a tuple, a number and a text of forty characters."""

GROUP = 2000
GROUP_BYTES = 8 * 1024 * 1024
GROUP_SECONDS = 0.2
"""A commit is made when so many calls wait, so large ones, or when the first of them has waited so long."""

RETRY_SECONDS = (0.5, 10.0)
"""Pause after a first failure, and the longest: each is twice as long as the one before."""
KEEP_SECONDS = 15.0
"""How long a durable answer waits for its commit."""
ROOM_SECONDS = 15.0
"""How long a batch waits for room."""
BATCH_SHARE = 0.25
"""Of all room: batches wait while more is taken, so that single predictions find some beside a large one."""
ROOM_LOOK_SECONDS = 0.05
CLOSE_SECONDS = 5.0

PRUNE_SECONDS = 3600.0
PRUNED_AT_ONCE = 2_000
"""Few enough that the writes of all workers go on in between."""
DAY_MS = 86_400_000

log = logging.getLogger(__name__)


class PredictionLogFullError(StoreError):
    """So much waits for the prediction log already that nothing more can be promised."""


def weight(call: Call) -> int:
    """Bytes of memory that a call takes while it waits."""
    return len(call.request) + len(call.probability) + len(call.features) + CALL_BYTES + KEY_BYTES * len(call.awaited)


@dataclass(frozen=True)
class _Promise:
    """Somebody who waits for a commit: that of a call, or of the calls recorded so far."""

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None]
    call: Call | None
    recorded: int

    def settle(self, error: Exception | None) -> None:
        """Tell him, from another thread, how it went."""
        with suppress(RuntimeError):  # his loop is closed: nobody waits any more
            self.loop.call_soon_threadsafe(self._set, error)

    def _set(self, error: Exception | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(error)


class Recorder:
    """What the routes know of the prediction log's writing. One for each process; its numbers are for the metrics."""

    def __init__(
        self,
        prediction_log: PredictionLog,
        *,
        max_calls: int = MAX_CALLS,
        max_bytes: int = MAX_BYTES,
        retention_days: float = 0.0,
    ) -> None:
        """Start the thread. Calls older than `retention_days` are forgotten every hour; 0 keeps them for ever."""
        self.written = 0
        self.dropped = 0
        """Calls that were answered and not kept."""
        self.problem: str | None = None
        """Why nothing is written at the moment; None while all is well."""
        self._prediction_log = prediction_log
        self._max_calls, self._max_bytes = max_calls, max_bytes
        self._retention_ms = int(retention_days * DAY_MS)

        self._lock = threading.Lock()
        """Guards what follows; the group is the thread's."""
        self._waiting: deque[Call] = deque()
        self._group: list[Call] = []
        """The next to be written, until they are."""
        self._group_bytes = 0
        self._promises: list[_Promise] = []
        self._calls, self._bytes = 0, 0
        """All that isn't written yet."""
        self._recorded, self._settled = 0, 0
        """Calls of `record` so far, and those of them that don't wait any more."""
        self._told_full = False

        self._some = threading.Event()
        """Something waits."""
        self._hurry = threading.Event()
        """It shouldn't wait for more."""
        self._closing = False
        self._close_by = 0.0
        self._prune_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="prediction_log", daemon=True)
        self._thread.start()

    # For requests

    def record(self, call: Call) -> None:
        """Keep a call soon. Never blocks and never raises; a call that finds no room is dropped and counted."""
        size = weight(call)
        with self._lock:
            full = self._is_taken()
            if not full:
                self._waiting.append(call)
                self._calls += 1
                self._bytes += size
                self._recorded += 1
            waiting = len(self._waiting)
        if full:
            self._drop()
        elif waiting == 1:
            self._some.set()
        elif waiting == GROUP:
            self._hurry.set()

    async def room(self) -> None:
        """Wait until there is room for a batch; record it before awaiting anything else, which may lose it again.

        Raises PredictionLogFullError when there is none in time.
        """
        give_up = time.monotonic() + ROOM_SECONDS
        while self._is_taken(BATCH_SHARE):
            if self._closing or time.monotonic() > give_up:
                raise PredictionLogFullError(self._full())
            await asyncio.sleep(ROOM_LOOK_SECONDS)

    async def keep(self, call: Call) -> None:
        """Keep a call, and return once it survives a crash. All that wait at the same time share one commit.

        Raises PredictionLogFullError when there is no room, and StoreError when the prediction log can't be written or takes too
        long; the call may be in the prediction log all the same, if its commit was under way.
        """
        await self._promise(call, KEEP_SECONDS)

    async def flush(self, within: float = 2.0) -> bool:
        """Wait until what was recorded so far can be read; False if that failed or took longer than `within`."""
        try:
            await self._promise(None, within)
        except StoreError:
            return False
        return True

    async def _promise(self, call: Call | None, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._lock:
            if call is not None:
                if self._is_taken():
                    raise PredictionLogFullError(self._full())
                self._calls += 1
                self._bytes += weight(call)
            elif self._recorded == self._settled:
                return
            self._promises.append(_Promise(loop, future, call, self._recorded))
        self._some.set()
        self._hurry.set()
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            raise StoreError(
                f"the prediction log didn't confirm the prediction within {seconds:g} s; ask again"
            ) from None

    def _drop(self) -> None:
        with self._lock:
            self.dropped += 1
            first, self._told_full = not self._told_full, True
        if first:
            log.error("%s", self._full())

    def _full(self) -> str:
        if self._closing:
            return "The service is being shut down; what is asked now isn't kept. Ask again in a moment."
        why = self.problem or "it is written more slowly than predictions are asked for"
        return (
            f"{self._calls} predictions ({self._bytes / 1e6:.0f} MB) wait for the prediction log, which takes no more: {why}. "
            "Until that is over, single predictions are answered without being kept; batches, and what is to be "
            "durable, are refused"
        )

    def _is_taken(self, share: float = 1.0) -> bool:
        """Whether so much of the room is."""
        return self._calls >= self._max_calls * share or self._bytes >= self._max_bytes * share

    # For metrics

    @property
    def depth(self) -> int:
        """Calls that aren't written yet."""
        return self._calls

    @property
    def oldest_age(self) -> float:
        """Seconds for which the oldest of them has waited; 0 without any."""
        try:
            oldest = self._group[0] if self._group else self._waiting[0]
        except IndexError:  # written in this moment
            return 0.0
        return max(now_ms() - made_at(oldest.id), 0) / 1000

    def close(self, seconds: float = CLOSE_SECONDS) -> int:
        """Write what waits, for so many seconds at most; returns how many calls were lost, which is logged, too."""
        with self._lock:
            self._max_calls = 0  # what comes now is dropped or refused
        self._close_by = time.monotonic() + seconds
        self._closing = True
        self._some.set()
        self._hurry.set()
        self._thread.join(seconds)
        if lost := self.depth:
            log.error(
                "%d predictions didn't come into the prediction log: %s", lost, self.problem or "there was no time"
            )
        return lost

    # The thread

    def _run(self) -> None:
        pause = GROUP_SECONDS
        while not self._closing:
            if not self._calls and not self._promises:
                self._some.wait(self._until_prune())
            self._hurry.wait(pause)
            self._some.clear()
            self._hurry.clear()
            if self._write_all():
                pause = GROUP_SECONDS
                self._prune()
            else:
                pause = min(max(pause * 2, RETRY_SECONDS[0]), RETRY_SECONDS[1])
        while not self._write_all() and time.monotonic() < self._close_by:
            time.sleep(GROUP_SECONDS)

    def _write_all(self) -> bool:
        """Write until nothing waits; False if the prediction log can't be written."""
        while True:
            promises = self._take()
            if not self._group and not promises:
                return True
            kept = [promise.call for promise in promises if promise.call is not None]
            try:
                lost = self._append([*self._group, *kept])
            except StoreError as error:
                self._failed(error, promises, kept)
                return False
            self._succeeded(promises, kept, lost)

    def _take(self) -> list[_Promise]:
        """Fill the group from what waits; those who wait for its commit."""
        # Without the lock, which requests wait for: nobody else takes calls out.
        while self._waiting and len(self._group) < GROUP and self._group_bytes < GROUP_BYTES:
            self._group.append(self._waiting.popleft())
            self._group_bytes += weight(self._group[-1])
        with self._lock:
            promises, self._promises = self._promises, []
        return promises

    def _append(self, calls: list[Call]) -> list[Call]:
        """Write calls; those that can't ever be."""
        try:
            self._prediction_log.append(calls)
        except StoreError:
            raise
        except (
            Exception
        ):  # a value that no prediction log takes; the others mustn't be lost with it, nor wait behind it
            if len(calls) > 1:
                return [lost for call in calls for lost in self._append([call])]
            log.exception("the prediction %s can't be kept:", calls[0].id)
            return calls
        return []

    def _succeeded(self, promises: Iterable[_Promise], kept: list[Call], lost: list[Call]) -> None:
        if self.problem is not None:
            log.info("the prediction log is written again; %d predictions waited for it", self.depth)
        self.problem = None
        size = self._group_bytes + sum(map(weight, kept))
        with self._lock:
            self._settled += len(self._group)
            self._calls -= len(self._group) + len(kept)
            self._bytes -= size
            self.written += len(self._group) + len(kept) - len(lost)
            self.dropped += len(lost)
            self._group, self._group_bytes = [], 0
            over = self._told_full and self._calls < self._max_calls / 2 and self._bytes < self._max_bytes / 2
            if over:
                self._told_full = False
            later = [p for p in promises if p.call is None and p.recorded > self._settled]
            self._promises += later
        if over:
            log.info("the prediction log takes predictions again; %d in all weren't kept", self.dropped)
        for promise in promises:
            if promise not in later:
                promise.settle(
                    StoreError("the prediction log can't keep this prediction") if promise.call in lost else None
                )

    def _failed(self, error: StoreError, promises: Iterable[_Promise], kept: list[Call]) -> None:
        """Who waits is told at once; his call isn't kept, for it wasn't answered. The others wait on."""
        if self.problem is None:
            log.warning("%d predictions wait for the prediction log: %s", self.depth, error)
        self.problem = str(error)
        with self._lock:
            self._calls -= len(kept)
            self._bytes -= sum(map(weight, kept))
        for promise in promises:
            promise.settle(error)

    def _until_prune(self) -> float | None:
        return max(self._prune_at - time.monotonic(), 0.0) if self._retention_ms else None

    def _prune(self) -> None:
        """Forget some of what is too old, if it is time; a failure is none of the predictions' concern."""
        if not self._retention_ms or time.monotonic() < self._prune_at:
            return
        try:
            gone = self._prediction_log.prune(first_at(max(now_ms() - self._retention_ms, 0)), PRUNED_AT_ONCE)
        except StoreError as error:
            log.warning("old predictions can't be removed, which is tried again in an hour: %s", error)
            gone = 0
        if gone < PRUNED_AT_ONCE:
            self._prune_at = time.monotonic() + PRUNE_SECONDS
