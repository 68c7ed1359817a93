"""Writes predictions to the prediction log from its own thread, many in one commit: no request waits for a disk.

Under overload, or while the prediction log can't be written, predictions are answered and wait in memory, up to
`max_calls` of them or `max_bytes`. Beyond that, new single predictions are answered but dropped, which is counted; bulk
requests wait some seconds for room and are then refused (503, Retry-After); durable requests are refused at once. What
waits is written in its order as soon as that is possible. A crash loses what waits, usually the last fifth of a second;
a durable answer is never lost.
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
"""Memory that a call takes beside its request and its answer."""
KEY_BYTES = 180
"""Memory for each shot that a call awaits: a tuple, a number and a text of forty characters."""

GROUP = 2000
GROUP_BYTES = 8 * 1024 * 1024
GROUP_SECONDS = 0.2
"""A commit is made when so many calls or bytes wait, or when the first call has waited so long."""

RETRY_SECONDS = (0.5, 10.0)
"""Pause after a first failure, and the longest pause; each is twice as long as the one before."""
KEEP_SECONDS = 15.0
"""How long a durable answer waits for its commit."""
ROOM_SECONDS = 15.0
"""How long a bulk request waits for room."""
BULK_SHARE = 0.25
"""Share of the room: bulk requests wait while more is taken, so that some is left for single predictions."""
ROOM_LOOK_SECONDS = 0.05
CLOSE_SECONDS = 5.0

PRUNE_SECONDS = 3600.0
PRUNED_AT_ONCE = 2_000
"""Few enough that all workers can write in between."""
DAY_MS = 86_400_000

log = logging.getLogger(__name__)


class PredictionLogFullError(StoreError):
    """Too much waits for the prediction log: nothing more can be promised."""


def weight(call: Call) -> int:
    """Bytes of memory that a waiting call takes."""
    return len(call.request) + len(call.probability) + len(call.features) + CALL_BYTES + KEY_BYTES * len(call.awaited)


@dataclass(frozen=True)
class _Promise:
    """A request that waits for a commit: that of its call, or of all calls recorded so far."""

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None]
    call: Call | None
    recorded: int

    def settle(self, error: Exception | None) -> None:
        """Pass the result to the request, from the recorder's thread."""
        with suppress(RuntimeError):  # its event loop is closed
            self.loop.call_soon_threadsafe(self._set, error)

    def _set(self, error: Exception | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(error)


class Recorder:
    """Writes the predictions of one process; its counts are for the metrics."""

    def __init__(
        self,
        prediction_log: PredictionLog,
        *,
        max_calls: int = MAX_CALLS,
        max_bytes: int = MAX_BYTES,
        retention_days: float = 0.0,
    ) -> None:
        """Start the thread. Calls older than `retention_days` are deleted every hour; 0 keeps them for ever."""
        self.written = 0
        self.dropped = 0
        """Calls that were answered and not kept."""
        self.problem: str | None = None
        """Why nothing can be written at the moment; None while all is well."""
        self._prediction_log = prediction_log
        self._max_calls, self._max_bytes = max_calls, max_bytes
        self._retention_ms = int(retention_days * DAY_MS)

        self._lock = threading.Lock()
        """Guards the fields below, except for the group, which only the thread uses."""
        self._waiting: deque[Call] = deque()
        self._group: list[Call] = []
        """The calls of the commit that comes next or is under way."""
        self._group_bytes = 0
        self._promises: list[_Promise] = []
        self._calls, self._bytes = 0, 0
        """Number and size of all calls that aren't written yet."""
        self._recorded, self._settled = 0, 0
        """Calls of `record` so far, and how many of them no longer wait."""
        self._reported_full = False

        self._some = threading.Event()
        """Set when something waits."""
        self._hurry = threading.Event()
        """Set when what waits should be written at once."""
        self._closing = False
        self._close_by = 0.0
        self._prune_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="prediction_log", daemon=True)
        self._thread.start()

    # Used by requests

    def record(self, call: Call) -> None:
        """Write a call soon. Never blocks and never raises; a call that finds no room is dropped and counted."""
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
        """Wait until there is room for a bulk request; call `record` before any other await, or the room may be taken.

        Raises PredictionLogFullError when there is no room in time.
        """
        give_up = time.monotonic() + ROOM_SECONDS
        while self._is_taken(BULK_SHARE):
            if self._closing or time.monotonic() > give_up:
                raise PredictionLogFullError(self._full())
            await asyncio.sleep(ROOM_LOOK_SECONDS)

    async def keep(self, call: Call) -> None:
        """Write a call, and return once it survives a crash. All that wait at the same time share one commit.

        Raises PredictionLogFullError when there is no room, and StoreError when the prediction log can't be written or
        takes too long; the call may still be in the log, if its commit was under way.
        """
        await self._promise(call, KEEP_SECONDS)

    async def flush(self, within: float = 2.0) -> bool:
        """Wait until all calls recorded so far can be read; False if that fails or takes longer than `within`."""
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
                f"the prediction log didn't confirm the prediction within {seconds:g} s; send the request again"
            ) from None

    def _drop(self) -> None:
        with self._lock:
            self.dropped += 1
            first, self._reported_full = not self._reported_full, True
        if first:
            log.error("%s", self._full())

    def _full(self) -> str:
        if self._closing:
            return "The service is shutting down; new predictions aren't logged. Try again in a moment."
        why = self.problem or "predictions arrive faster than they can be written"
        return (
            f"the prediction log is full, {self._calls} predictions ({self._bytes / 1e6:.0f} MB) wait to be written: "
            f"{why}. Until there is room, single predictions are answered without being logged; bulk requests and "
            "durable requests are refused"
        )

    def _is_taken(self, share: float = 1.0) -> bool:
        """Whether this share of the room is taken."""
        return self._calls >= self._max_calls * share or self._bytes >= self._max_bytes * share

    # Used by metrics

    @property
    def depth(self) -> int:
        """Calls that aren't written yet."""
        return self._calls

    @property
    def oldest_age(self) -> float:
        """Seconds for which the oldest call has waited; 0 if none waits."""
        try:
            oldest = self._group[0] if self._group else self._waiting[0]
        except IndexError:  # it was written just now
            return 0.0
        return max(now_ms() - made_at(oldest.id), 0) / 1000

    def close(self, seconds: float = CLOSE_SECONDS) -> int:
        """Write what waits, for at most `seconds`; returns how many calls were lost, which is also logged."""
        with self._lock:
            self._max_calls = 0  # further calls are dropped or refused
        self._close_by = time.monotonic() + seconds
        self._closing = True
        self._some.set()
        self._hurry.set()
        self._thread.join(seconds)
        if lost := self.depth:
            log.error("%d predictions were lost before they were logged: %s", lost, self.problem or "time ran out")
        return lost

    # Used by the thread

    def _run(self) -> None:
        try:
            self._prediction_log.check()
        except StoreError as error:
            log.warning("predictions can't be logged: %s", error)
            self.problem = str(error)
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
        """Fill the group from what waits; returns the promises that its commit fulfils."""
        # Without the lock, which would delay requests: no other thread takes calls out.
        while self._waiting and len(self._group) < GROUP and self._group_bytes < GROUP_BYTES:
            self._group.append(self._waiting.popleft())
            self._group_bytes += weight(self._group[-1])
        with self._lock:
            promises, self._promises = self._promises, []
        return promises

    def _append(self, calls: list[Call]) -> list[Call]:
        """Write calls; returns those that can never be written."""
        try:
            self._prediction_log.append(calls)
        except StoreError:
            raise
        except Exception:
            # One call holds a value that can't be stored: the others mustn't be lost with it, nor wait behind it.
            if len(calls) > 1:
                return [lost for call in calls for lost in self._append([call])]
            log.exception("the prediction %s can't be stored:", calls[0].id)
            return calls
        return []

    def _succeeded(self, promises: Iterable[_Promise], kept: list[Call], lost: list[Call]) -> None:
        if self.problem is not None:
            log.info("the prediction log can be written again; %d predictions waited for it", self.depth)
        self.problem = None
        size = self._group_bytes + sum(map(weight, kept))
        with self._lock:
            self._settled += len(self._group)
            self._calls -= len(self._group) + len(kept)
            self._bytes -= size
            self.written += len(self._group) + len(kept) - len(lost)
            self.dropped += len(lost)
            self._group, self._group_bytes = [], 0
            over = self._reported_full and self._calls < self._max_calls / 2 and self._bytes < self._max_bytes / 2
            if over:
                self._reported_full = False
            later = [p for p in promises if p.call is None and p.recorded > self._settled]
            self._promises += later
        if over:
            log.info("the prediction log has room again; %d predictions in all were dropped", self.dropped)
        for promise in promises:
            if promise not in later:
                lost_error = StoreError("the prediction log can't store this prediction")
                promise.settle(lost_error if promise.call in lost else None)

    def _failed(self, error: StoreError, promises: Iterable[_Promise], kept: list[Call]) -> None:
        """Fail the promises at once and drop their calls, which weren't answered; recorded calls wait on."""
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
        """Delete some of the calls that are too old, if it is time; a failure doesn't affect predictions."""
        if not self._retention_ms or time.monotonic() < self._prune_at:
            return
        try:
            gone = self._prediction_log.prune(first_at(max(now_ms() - self._retention_ms, 0)), PRUNED_AT_ONCE)
        except StoreError as error:
            log.warning("old predictions can't be deleted; the next attempt is in an hour: %s", error)
            gone = 0
        if gone < PRUNED_AT_ONCE:
            self._prune_at = time.monotonic() + PRUNE_SECONDS
