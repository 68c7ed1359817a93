"""The recorder: groups, promises, bounds, and a prediction log that can't be written for a while."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from parivision_core.prediction_log.base import Call, PredictionLog
from parivision_core.prediction_log.ids import first_at
from parivision_core.prediction_log.sqlite import SqlitePredictionLog
from parivision_core.problems import StoreError
from parivision_core.records import now_ms
from parivision_serving.prediction_log import recorder as module
from parivision_serving.prediction_log.recorder import PredictionLogFullError, Recorder
from tests.helpers.prediction_logs import one
from tests.helpers.processes import until


class FaultyLog(SqlitePredictionLog):
    """A prediction log that fails, hangs or refuses a value on demand, and records its commits."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.broken = False
        self.poison: str | None = None
        self.open = threading.Event()
        self.open.set()
        self.commits: list[list[str]] = []
        self.pruned: list[int] = []

    def append(self, calls: Sequence[Call]) -> None:
        self.open.wait(20)
        if self.broken:
            raise StoreError("the disk is full; free some space")
        if any(call.id == self.poison for call in calls):
            raise OverflowError("too large")
        super().append(calls)
        self.commits.append([call.id for call in calls])

    def prune(self, before: str, limit: int) -> int:
        if self.broken:
            raise StoreError("the disk is full; free some space")
        self.pruned.append(super().prune(before, limit))
        return self.pruned[-1]


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", (0.01, 0.05))


@pytest.fixture
def prediction_log(tmp_path: Path) -> Iterator[FaultyLog]:
    kept = FaultyLog(tmp_path / "prediction_log.sqlite")
    yield kept
    kept.open.set()
    kept.broken = False
    kept.close()


def ids(prediction_log: PredictionLog) -> list[str]:
    return [call.id for call in prediction_log.calls(limit=100_000)][::-1]


def test_recorded_calls_are_written_soon_and_in_few_commits(prediction_log: FaultyLog) -> None:
    recorder, calls = Recorder(prediction_log), [one() for _ in range(100)]
    for call in calls:
        recorder.record(call)
    until(lambda: recorder.written == 100)
    assert ids(prediction_log) == [call.id for call in calls]
    assert len(prediction_log.commits) < 50
    assert (recorder.depth, recorder.oldest_age, recorder.dropped, recorder.problem) == (0, 0, 0, None)
    assert recorder.close() == 0


def test_threads_may_record_at_once(prediction_log: FaultyLog) -> None:
    recorder = Recorder(prediction_log)

    def some(_: int) -> None:
        for _ in range(500):
            recorder.record(one())

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(some, range(4)))
    assert recorder.close() == 0
    assert len(set(ids(prediction_log))) == recorder.written == 2000


def test_closing_writes_what_waits(prediction_log: FaultyLog) -> None:
    recorder = Recorder(prediction_log)
    for _ in range(1200):
        recorder.record(one())
    assert recorder.close() == 0
    assert len(ids(prediction_log)) == 1200
    assert recorder.close() == 0
    recorder.record(one())
    assert recorder.dropped == 1


def test_closing_reports_what_was_lost(prediction_log: FaultyLog, caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder(prediction_log)
    prediction_log.broken = True
    for _ in range(3):
        recorder.record(one())
    assert recorder.close(0.2) == 3
    assert "3 predictions were lost before they were logged: the disk is full" in caplog.text


def test_durable_calls_share_a_commit_and_wait_for_it(prediction_log: FaultyLog) -> None:
    recorder, calls = Recorder(prediction_log), [one() for _ in range(50)]

    async def keep(call: Call) -> bool:
        await recorder.keep(call)
        return prediction_log.call(call.id) is not None

    async def main() -> list[bool]:
        return await asyncio.gather(*map(keep, calls))

    assert asyncio.run(main()) == [True] * 50
    assert len(prediction_log.commits) < 50
    assert recorder.written == 50
    recorder.close()


def test_a_flush_waits_for_what_was_recorded_before(prediction_log: FaultyLog) -> None:
    recorder = Recorder(prediction_log)

    async def main() -> None:
        assert await recorder.flush()
        for _ in range(20):
            call = one()
            for _ in range(60):
                recorder.record(one())
            recorder.record(call)
            assert await recorder.flush()
            assert prediction_log.call(call.id) is not None

    asyncio.run(main())
    recorder.close()


def test_a_flush_gives_up_on_a_prediction_log_that_hangs_or_fails(prediction_log: FaultyLog) -> None:
    recorder = Recorder(prediction_log)
    prediction_log.open.clear()
    recorder.record(one())
    assert not asyncio.run(recorder.flush(within=0.2))
    prediction_log.broken = True
    prediction_log.open.set()
    assert not asyncio.run(recorder.flush())
    prediction_log.broken = False
    assert asyncio.run(_flushed(recorder))
    assert recorder.close() == 0


async def _flushed(recorder: Recorder) -> bool:
    for _ in range(200):
        if await recorder.flush():
            return True
        await asyncio.sleep(0.01)
    return False


def test_a_failing_prediction_log_is_retried_and_reported_once(
    prediction_log: FaultyLog, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, module.__name__)
    recorder, calls = Recorder(prediction_log), [one() for _ in range(700)]
    prediction_log.broken = True
    for call in calls:
        recorder.record(call)
    problem = until(lambda: recorder.problem)
    assert problem == "the disk is full; free some space"
    time.sleep(0.1)
    assert recorder.depth == 700
    assert recorder.oldest_age > 0
    prediction_log.broken = False
    until(lambda: recorder.written == 700)
    assert recorder.problem is None
    assert ids(prediction_log) == [call.id for call in calls]
    assert caplog.text.count("predictions wait for the prediction log: the disk is full") == 1
    assert caplog.text.count("the prediction log can be written again") == 1
    recorder.close()


def test_a_durable_call_gets_the_failure_and_is_not_written(prediction_log: FaultyLog) -> None:
    recorder, recorded, kept = Recorder(prediction_log), one(), one()
    prediction_log.broken = True
    recorder.record(recorded)
    with pytest.raises(StoreError, match="disk is full"):
        asyncio.run(recorder.keep(kept))
    assert recorder.depth == 1
    prediction_log.broken = False
    until(lambda: recorder.written == 1)
    assert ids(prediction_log) == [recorded.id]
    recorder.close()


def test_a_durable_call_does_not_wait_for_ever(prediction_log: FaultyLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEEP_SECONDS", 0.1)
    recorder = Recorder(prediction_log)
    prediction_log.open.clear()
    with pytest.raises(StoreError, match=r"didn't confirm the prediction within 0\.1 s"):
        asyncio.run(recorder.keep(one()))
    prediction_log.open.set()
    until(lambda: recorder.depth == 0)
    recorder.close()


@pytest.mark.parametrize("bound", [{"max_calls": 10}, {"max_bytes": 10_000}])
def test_a_full_queue_drops_the_newest_and_refuses_promises(
    prediction_log: FaultyLog, bound: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, module.__name__)
    calls = [one(request=b"x" * 500, features=b"", probability=0.5) for _ in range(15)]
    size = module.weight(calls[0])
    room = bound.get("max_calls") or -(-bound["max_bytes"] // size)
    recorder = Recorder(prediction_log, **bound)
    prediction_log.open.clear()
    for call in calls:
        recorder.record(call)
    assert (recorder.depth, recorder.dropped) == (room, 15 - room)
    with pytest.raises(PredictionLogFullError, match="the prediction log is full"):
        asyncio.run(recorder.keep(one()))
    assert caplog.text.count("the prediction log is full") == 1
    prediction_log.open.set()
    until(lambda: recorder.depth == 0)
    assert ids(prediction_log) == [call.id for call in calls[:room]]
    until(lambda: "has room again" in caplog.text)
    recorder.record(calls[-1])
    until(lambda: recorder.written == room + 1)
    recorder.close()


def test_one_call_larger_than_all_room_is_taken_when_nothing_waits(prediction_log: FaultyLog) -> None:
    recorder, large = Recorder(prediction_log, max_bytes=1000), one(request=b"x" * 5000)
    prediction_log.open.clear()
    recorder.record(large)
    recorder.record(one())
    assert (recorder.depth, recorder.dropped) == (1, 1)
    prediction_log.open.set()
    until(lambda: recorder.depth == 0)
    assert ids(prediction_log) == [large.id]
    recorder.close()


def test_a_bulk_request_waits_for_room_and_leaves_some_to_single_predictions(prediction_log: FaultyLog) -> None:
    single = one()
    recorder, calls = Recorder(prediction_log, max_calls=4), [one() for _ in range(4)]

    async def batch(call: Call) -> None:
        await recorder.room()
        recorder.record(call)

    async def main() -> None:
        batches = [asyncio.ensure_future(batch(call)) for call in calls]
        await asyncio.sleep(3 * module.ROOM_LOOK_SECONDS)
        assert [batch.done() for batch in batches] == [True, False, False, False]
        recorder.record(single)
        prediction_log.open.set()
        await asyncio.gather(*batches)

    prediction_log.open.clear()
    asyncio.run(main())
    assert recorder.close() == 0
    assert (set(ids(prediction_log)), recorder.dropped) == ({call.id for call in [*calls, single]}, 0)


def test_a_bulk_request_that_finds_no_room_in_time_is_refused(
    prediction_log: FaultyLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(prediction_log, max_calls=1)
    prediction_log.open.clear()
    recorder.record(one())
    monkeypatch.setattr(module, "ROOM_SECONDS", 0.1)
    with pytest.raises(PredictionLogFullError, match="bulk requests and durable requests are refused"):
        asyncio.run(recorder.room())
    monkeypatch.setattr(module, "ROOM_SECONDS", 1000.0)
    recorder.close(0.05)
    with pytest.raises(PredictionLogFullError, match="shutting down"):
        asyncio.run(recorder.room())
    assert recorder.dropped == 0


def test_awaited_shots_count_with_the_memory_they_take() -> None:
    """As many as a bulk request may have, with keys like those of a sport."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        awaited = tuple(
            (row, ":".join(("2023-04-09", "22200001", "201939", "1", str(row % 720)))) for row in range(5_000)
        )
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    body = module.weight(one(awaited=awaited)) - module.weight(one())
    assert taken <= body <= 1.3 * taken


def test_a_call_that_cannot_be_stored_does_not_stop_the_others(
    prediction_log: FaultyLog, caplog: pytest.LogCaptureFixture
) -> None:
    recorder, calls = Recorder(prediction_log), [one() for _ in range(5)]
    prediction_log.poison = calls[2].id
    for call in calls:
        recorder.record(call)
    until(lambda: recorder.depth == 0)
    assert (recorder.written, recorder.dropped) == (4, 1)
    assert ids(prediction_log) == [call.id for call in calls if call.id != prediction_log.poison]
    assert f"the prediction {prediction_log.poison} can't be stored" in caplog.text
    bad = one()
    prediction_log.poison = bad.id
    with pytest.raises(StoreError, match="can't store this prediction"):
        asyncio.run(recorder.keep(bad))
    recorder.close()


def test_calls_that_are_too_old_are_deleted(prediction_log: FaultyLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PRUNED_AT_ONCE", 2)
    days = [0, 1, 3, 5, 7, 9]
    calls = [one(id=first_at(now_ms() - day * module.DAY_MS)) for day in days]
    prediction_log.append(calls)
    recorder = Recorder(prediction_log, retention_days=4.0)
    until(lambda: prediction_log.pruned == [2, 1])
    assert ids(prediction_log) == [call.id for call in calls[2::-1]]
    recorder.close()


def test_nothing_is_deleted_without_a_limit_or_when_deleting_fails(
    prediction_log: FaultyLog, caplog: pytest.LogCaptureFixture
) -> None:
    old = one(id=first_at(1))
    prediction_log.append([old])
    for days in (0.0, 4.0):
        prediction_log.broken = days > 0
        recorder = Recorder(prediction_log, retention_days=days)
        if days:
            until(lambda: "old predictions can't be deleted" in caplog.text)
        prediction_log.broken = False
        recorder.record(one())
        until(lambda r=recorder: r.written == 1)
        recorder.close()
    assert prediction_log.pruned == []
    assert prediction_log.call(old.id) is not None


def test_a_closed_event_loop_does_not_stop_the_recorder(prediction_log: FaultyLog) -> None:
    recorder = Recorder(prediction_log)
    prediction_log.open.clear()

    async def leave() -> None:
        waiting = asyncio.ensure_future(recorder.keep(one()))
        await asyncio.sleep(0.05)
        waiting.cancel()

    asyncio.run(leave())
    prediction_log.open.set()
    until(lambda: recorder.depth == 0)
    recorder.record(one())
    until(lambda: recorder.written == 2)
    recorder.close()
