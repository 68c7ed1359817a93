"""What every kind of prediction log must do."""

from __future__ import annotations

import inspect
import multiprocessing
from collections.abc import Callable

import msgspec
import pytest

from parivision_core.prediction_log import base
from parivision_core.prediction_log.base import Call, Outcome, PredictionLog
from parivision_core.prediction_log.ids import new_id
from tests.helpers.prediction_logs import many, one, opened
from tests.helpers.stores import Place


@pytest.fixture
def reopen(place: Place) -> Callable[[], PredictionLog]:
    """Opens the same prediction log, as another process would."""
    return lambda: opened(place)


def outcome(made: bool, source: base.OutcomeSource = "caller", at: int = 5) -> Outcome:
    return Outcome(made=made, source=source, reported_at=at)


def kept(call: Call) -> Call:
    return msgspec.structs.replace(call, awaited=())


def test_calls_come_back_as_they_were_newest_first(reopen: Callable[[], PredictionLog]) -> None:
    calls = [
        one(0.1),
        many([0.2, 0.3], champion_version=4, feature_state_stamp="g" * 16),
        one(0.4, caller="", features=b""),
    ]
    prediction_log = reopen()
    prediction_log.append(calls[:2])
    prediction_log.append(calls[2:])
    prediction_log.append([])
    prediction_log = reopen()
    assert prediction_log.calls(limit=10) == calls[::-1]
    assert prediction_log.calls(limit=2) == calls[:0:-1]
    assert prediction_log.calls(before=calls[2].id, limit=10) == calls[1::-1]
    assert prediction_log.calls(since=calls[1].id, limit=10) == calls[:0:-1]
    assert prediction_log.calls(before=calls[2].id, since=calls[1].id, limit=10) == [calls[1]]
    assert prediction_log.call(calls[1].id) == calls[1]
    assert prediction_log.call(new_id()) is None


def test_an_empty_prediction_log_answers(reopen: Callable[[], PredictionLog]) -> None:
    prediction_log = reopen()
    assert prediction_log.calls(limit=5) == []
    assert (
        prediction_log.deleted([new_id()])
        == prediction_log.outcomes([new_id()])
        == prediction_log.awaiting(["2023-01-01:1"])
        == {}
    )
    assert prediction_log.awaited_days() == {}
    assert not prediction_log.delete(new_id())
    assert not prediction_log.delete(new_id(), 0)
    assert prediction_log.prune(new_id(), 10) == 0


def test_an_append_may_be_repeated(reopen: Callable[[], PredictionLog]) -> None:
    first, second = one(0.1, awaited=((0, "2023-01-01:1"),)), one(0.2)
    prediction_log = reopen()
    prediction_log.append([first])
    prediction_log.append([first, second])
    assert prediction_log.calls(limit=10) == [second, kept(first)]
    assert prediction_log.awaiting(["2023-01-01:1"]) == {"2023-01-01:1": [first.id]}


def test_a_read_of_large_calls_ends_early(reopen: Callable[[], PredictionLog], monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [one() for _ in range(3)]
    prediction_log = reopen()
    prediction_log.append(calls)
    monkeypatch.setattr(inspect.getmodule(type(prediction_log)), "READ_BYTES", calls[0].size)
    assert prediction_log.calls(limit=5) == calls[:0:-1]
    assert prediction_log.calls(before=calls[1].id, limit=5) == calls[:1]


def test_a_deleted_call_is_gone_with_all_that_belongs_to_it(reopen: Callable[[], PredictionLog]) -> None:
    call, other = many([0.1, 0.2], awaited=((1, "2023-01-01:1"),)), one()
    prediction_log = reopen()
    prediction_log.append([call, other])
    prediction_log.put_outcomes({f"{call.id}:0": outcome(True)})
    assert prediction_log.delete(call.id, 1)
    assert prediction_log.delete(call.id)
    assert not prediction_log.delete(call.id)
    assert prediction_log.calls(limit=5) == [other]
    assert (
        prediction_log.outcomes([f"{call.id}:0"])
        == prediction_log.deleted([call.id])
        == prediction_log.awaited_days()
        == {}
    )


def test_a_row_is_deleted_alone_and_once(reopen: Callable[[], PredictionLog]) -> None:
    call, single = many([0.1, 0.2, 0.3], awaited=((1, "2023-01-01:1"), (2, "2023-01-02:1"))), one()
    prediction_log = reopen()
    prediction_log.append([call, single])
    prediction_log.put_outcomes({f"{call.id}:1": outcome(True), f"{call.id}:2": outcome(False)})
    assert prediction_log.delete(call.id, 1)
    assert not prediction_log.delete(call.id, 1)
    assert not prediction_log.delete(call.id, 3)
    assert not prediction_log.delete(call.id, -1)
    assert not prediction_log.delete(single.id, 0)
    assert reopen().deleted([call.id, single.id]) == {call.id: {1}}
    assert prediction_log.outcomes([f"{call.id}:1", f"{call.id}:2"]) == {f"{call.id}:2": outcome(False)}
    assert list(prediction_log.awaited_days()) == ["2023-01-02"]
    assert prediction_log.call(call.id) == kept(call)


def test_an_outcome_from_the_lake_overrides_others(reopen: Callable[[], PredictionLog]) -> None:
    call, unknown = one(awaited=((0, "2023-01-01:1"),)), new_id()
    prediction_log = reopen()
    prediction_log.append([call])
    prediction_log.put_outcomes({call.id: outcome(False), unknown: outcome(True)})
    assert prediction_log.outcomes([call.id, unknown]) == {call.id: outcome(False)}
    prediction_log.put_outcomes({call.id: outcome(True, at=6)})
    assert prediction_log.outcomes([call.id]) == {call.id: outcome(True, at=6)}
    assert list(prediction_log.awaited_days()) == ["2023-01-01"]
    prediction_log.put_outcomes({call.id: outcome(False, "lake", 7)})
    prediction_log.put_outcomes({call.id: outcome(True, at=8)})
    assert reopen().outcomes([call.id]) == {call.id: outcome(False, "lake", 7)}
    assert prediction_log.awaited_days() == {}
    prediction_log.put_outcomes({})


def test_awaited_shots_name_their_predictions(reopen: Callable[[], PredictionLog]) -> None:
    key, other = "2023-01-01:22200001:7:1:700", "2023-01-01:22200001:8:1:700"
    first, bulk = one(awaited=((0, key),)), many([0.1] * 12, awaited=((2, other), (10, key), (11, "2023-02-01:1")))
    prediction_log = reopen()
    prediction_log.append([first])
    before = prediction_log.awaited_days()
    prediction_log.append([bulk])
    after = prediction_log.awaited_days()
    assert prediction_log.awaiting([key, other, "2024-01-01:5"]) == {
        key: [first.id, f"{bulk.id}:10"],
        other: [f"{bulk.id}:2"],
    }
    assert (list(before), list(after)) == (["2023-01-01"], ["2023-01-01", "2023-02-01"])
    assert before["2023-01-01"] != after["2023-01-01"]
    assert reopen().awaited_days() == after


def test_the_oldest_are_pruned_some_at_a_time(reopen: Callable[[], PredictionLog]) -> None:
    calls = [one(awaited=((0, f"2023-01-0{i + 1}:1"),)) for i in range(5)]
    prediction_log = reopen()
    prediction_log.append(calls)
    prediction_log.put_outcomes({call.id: outcome(True) for call in calls})
    assert [prediction_log.prune(calls[3].id, 2) for _ in range(3)] == [2, 1, 0]
    assert [call.id for call in prediction_log.calls(limit=10)] == [calls[4].id, calls[3].id]
    assert set(prediction_log.outcomes([call.id for call in calls])) == {calls[3].id, calls[4].id}
    assert list(prediction_log.awaited_days()) == ["2023-01-04", "2023-01-05"]


def _append(place: Place, count: int) -> None:
    prediction_log = opened(place)
    for _ in range(count):
        prediction_log.append([one() for _ in range(10)])


def test_many_may_open_and_write_at_once(place: Place) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append, args=(place, 20)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 3
    calls = opened(place).calls(limit=1000)
    assert len(calls) == 600
    assert [call.id for call in calls] == sorted({call.id for call in calls}, reverse=True)


def test_settled_predictions_are_found_by_day_and_wait_again_when_reopened(
    reopen: Callable[[], PredictionLog],
) -> None:
    prediction_log = reopen()
    keys = ["2023-01-01:1", "2023-01-01:2", "2023-01-02:1"]
    bulk, single = many([0.1, 0.2, 0.3], awaited=tuple(enumerate(keys))), one(awaited=((0, keys[0]),))
    prediction_log.append([bulk, single])
    assert prediction_log.settled_days() == []
    names = [f"{bulk.id}:{row}" for row in range(3)]
    prediction_log.put_outcomes(dict.fromkeys(names[1:], outcome(True, "lake")) | {single.id: outcome(False, "lake")})
    prediction_log.put_outcomes({names[0]: outcome(True)})  # a caller's outcome settles nothing
    assert prediction_log.settled_days() == ["2023-01-01", "2023-01-02"]
    assert prediction_log.settled("2023-01-01") == {keys[0]: [single.id], keys[1]: [names[1]]}
    assert prediction_log.awaiting(keys) == {keys[0]: [names[0]]}
    prediction_log.reopen([single.id, names[2]])
    assert prediction_log.settled_days() == ["2023-01-01"]
    assert prediction_log.settled("2023-01-02") == {}
    assert prediction_log.awaiting(keys) == {keys[0]: sorted([names[0], single.id]), keys[2]: [names[2]]}
    assert set(prediction_log.outcomes([single.id, *names])) == {names[0], names[1]}
    assert prediction_log.delete(bulk.id, 1)
    assert prediction_log.settled_days() == []
