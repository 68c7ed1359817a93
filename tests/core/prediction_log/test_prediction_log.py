"""What any kind of journal must do."""

from __future__ import annotations

import inspect
import multiprocessing
from collections.abc import Callable

import msgspec
import pytest

from parivision_core.prediction_log import base
from parivision_core.prediction_log.base import Call, Journal, Outcome
from parivision_core.prediction_log.ids import new_id
from tests.helpers.prediction_logs import many, one, opened
from tests.helpers.stores import Place


@pytest.fixture
def reopen(place: Place) -> Callable[[], Journal]:
    """Opens the same journal, as another process would."""
    return lambda: opened(place)


def told(made: bool, source: base.OutcomeSource = "caller", at: int = 5) -> Outcome:
    return Outcome(made=made, source=source, told_at=at)


def kept(call: Call) -> Call:
    return msgspec.structs.replace(call, awaited=())


def test_calls_come_back_as_they_were_newest_first(reopen: Callable[[], Journal]) -> None:
    calls = [one(0.1), many([0.2, 0.3], champion_version=4, form_stamp="g" * 16), one(0.4, caller="", features=b"")]
    journal = reopen()
    journal.append(calls[:2])
    journal.append(calls[2:])
    journal.append([])
    journal = reopen()
    assert journal.calls(limit=10) == calls[::-1]
    assert journal.calls(limit=2) == calls[:0:-1]
    assert journal.calls(before=calls[2].id, limit=10) == calls[1::-1]
    assert journal.calls(since=calls[1].id, limit=10) == calls[:0:-1]
    assert journal.calls(before=calls[2].id, since=calls[1].id, limit=10) == [calls[1]]
    assert journal.call(calls[1].id) == calls[1]
    assert journal.call(new_id()) is None


def test_an_empty_journal_answers(reopen: Callable[[], Journal]) -> None:
    journal = reopen()
    assert journal.calls(limit=5) == []
    assert journal.deleted([new_id()]) == journal.outcomes([new_id()]) == journal.awaiting(["2023-01-01:1"]) == {}
    assert journal.awaited_days() == {}
    assert not journal.delete(new_id())
    assert not journal.delete(new_id(), 0)
    assert journal.prune(new_id(), 10) == 0


def test_an_append_may_be_repeated(reopen: Callable[[], Journal]) -> None:
    first, second = one(0.1, awaited=((0, "2023-01-01:1"),)), one(0.2)
    journal = reopen()
    journal.append([first])
    journal.append([first, second])
    assert journal.calls(limit=10) == [second, kept(first)]
    assert journal.awaiting(["2023-01-01:1"]) == {"2023-01-01:1": [first.id]}


def test_a_read_of_large_calls_ends_early(reopen: Callable[[], Journal], monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [one() for _ in range(3)]
    journal = reopen()
    journal.append(calls)
    monkeypatch.setattr(inspect.getmodule(type(journal)), "READ_BYTES", calls[0].size)
    assert journal.calls(limit=5) == calls[:0:-1]
    assert journal.calls(before=calls[1].id, limit=5) == calls[:1]


def test_a_deleted_call_is_gone_with_all_that_belongs_to_it(reopen: Callable[[], Journal]) -> None:
    call, other = many([0.1, 0.2], awaited=((1, "2023-01-01:1"),)), one()
    journal = reopen()
    journal.append([call, other])
    journal.put_outcomes({f"{call.id}:0": told(True)})
    assert journal.delete(call.id, 1)
    assert journal.delete(call.id)
    assert not journal.delete(call.id)
    assert journal.calls(limit=5) == [other]
    assert journal.outcomes([f"{call.id}:0"]) == journal.deleted([call.id]) == journal.awaited_days() == {}


def test_a_row_is_deleted_alone_and_once(reopen: Callable[[], Journal]) -> None:
    call, single = many([0.1, 0.2, 0.3], awaited=((1, "2023-01-01:1"), (2, "2023-01-02:1"))), one()
    journal = reopen()
    journal.append([call, single])
    journal.put_outcomes({f"{call.id}:1": told(True), f"{call.id}:2": told(False)})
    assert journal.delete(call.id, 1)
    assert not journal.delete(call.id, 1)
    assert not journal.delete(call.id, 3)
    assert not journal.delete(call.id, -1)
    assert not journal.delete(single.id, 0)
    assert reopen().deleted([call.id, single.id]) == {call.id: {1}}
    assert journal.outcomes([f"{call.id}:1", f"{call.id}:2"]) == {f"{call.id}:2": told(False)}
    assert list(journal.awaited_days()) == ["2023-01-02"]
    assert journal.call(call.id) == kept(call)


def test_the_lake_has_the_last_word(reopen: Callable[[], Journal]) -> None:
    call, unknown = one(awaited=((0, "2023-01-01:1"),)), new_id()
    journal = reopen()
    journal.append([call])
    journal.put_outcomes({call.id: told(False), unknown: told(True)})
    assert journal.outcomes([call.id, unknown]) == {call.id: told(False)}
    journal.put_outcomes({call.id: told(True, at=6)})
    assert journal.outcomes([call.id]) == {call.id: told(True, at=6)}
    assert list(journal.awaited_days()) == ["2023-01-01"]
    journal.put_outcomes({call.id: told(False, "lake", 7)})
    journal.put_outcomes({call.id: told(True, at=8)})
    assert reopen().outcomes([call.id]) == {call.id: told(False, "lake", 7)}
    assert journal.awaited_days() == {}
    journal.put_outcomes({})


def test_awaited_shots_name_their_predictions(reopen: Callable[[], Journal]) -> None:
    key, other = "2023-01-01:22200001:7:1:700", "2023-01-01:22200001:8:1:700"
    first, batch = one(awaited=((0, key),)), many([0.1] * 12, awaited=((2, other), (10, key), (11, "2023-02-01:1")))
    journal = reopen()
    journal.append([first])
    before = journal.awaited_days()
    journal.append([batch])
    after = journal.awaited_days()
    assert journal.awaiting([key, other, "2024-01-01:5"]) == {
        key: [first.id, f"{batch.id}:10"],
        other: [f"{batch.id}:2"],
    }
    assert (list(before), list(after)) == (["2023-01-01"], ["2023-01-01", "2023-02-01"])
    assert before["2023-01-01"] != after["2023-01-01"]
    assert reopen().awaited_days() == after


def test_the_oldest_are_pruned_some_at_a_time(reopen: Callable[[], Journal]) -> None:
    calls = [one(awaited=((0, f"2023-01-0{i + 1}:1"),)) for i in range(5)]
    journal = reopen()
    journal.append(calls)
    journal.put_outcomes({call.id: told(True) for call in calls})
    assert [journal.prune(calls[3].id, 2) for _ in range(3)] == [2, 1, 0]
    assert [call.id for call in journal.calls(limit=10)] == [calls[4].id, calls[3].id]
    assert set(journal.outcomes([call.id for call in calls])) == {calls[3].id, calls[4].id}
    assert list(journal.awaited_days()) == ["2023-01-04", "2023-01-05"]


def _append(place: Place, count: int) -> None:
    journal = opened(place)
    for _ in range(count):
        journal.append([one() for _ in range(10)])


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
