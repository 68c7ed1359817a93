"""Outcomes from the lake: whichever came first, shot or prediction, and no more reads than needed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from parivision_core.nba.shots import NBA
from parivision_core.prediction_log.base import Call, PredictionLog
from parivision_core.problems import StoreError
from parivision_core.records import Links, Manifest
from parivision_core.store.base import INGEST, Store
from parivision_serving.prediction_log import outcomes as module
from parivision_serving.prediction_log.outcomes import Outcomes, key_of, same_spot
from tests.helpers.prediction_logs import many, one
from tests.helpers.prediction_logs import opened as opened_prediction_log
from tests.helpers.processes import until
from tests.helpers.stores import Place, opened

DAY, GAME, PLAYER = "2023-04-09", 22_201_230, 2544
REQUEST: dict[str, Any] = {
    "x": 10,
    "y": 60,
    "period": 2,
    "seconds_remaining": 300,
    "player_id": PLAYER,
    "game_date": DAY,
    "game_id": GAME,
}


class OutcomeSetup:
    """A lake, a prediction log, and the `Outcomes` between them."""

    def __init__(self, place: Place) -> None:
        self.store: Store = opened(place)
        self.prediction_log: PredictionLog = opened_prediction_log(place)
        self.outcomes = Outcomes(NBA, self.store, self.prediction_log, look_seconds=0.02)
        self.reads: list[str] = []
        find = self.store.find_shots

        def noted(query: Any, *rest: Any) -> list[dict[str, Any]]:
            self.reads.append(query.since)
            return find(query, *rest)

        self.store.find_shots = noted  # type: ignore[method-assign]

    def predicted(self, **changes: Any) -> Call:
        """Log a prediction for the shot, with changes."""
        request = {name: value for name, value in (REQUEST | changes).items() if value is not None}
        key = NBA.shot_key(NBA.request(**request))
        call = one(request=request, awaited=((0, key),) if key else ())
        self.prediction_log.append([call])
        return call

    def ingested(self, batch: str, *shots: dict[str, Any], hides: dict[str, list[int]] | None = None) -> None:
        """Ingest a batch with one shot for each set of changes, which hides some rows of earlier ones."""
        rows = [_shot(f"{i}", **changes) | {"batch_id": batch, "row": i} for i, changes in enumerate(shots)]
        days = [row["game_date"] for row in rows]
        links = Links(hides=hides or {})
        manifest = Manifest(
            batch_id=batch,
            fingerprint=batch,
            feed="inbox",
            source="x",
            rows=len(rows),
            inserted=len(rows),
            duplicates=0,
            quarantined=0,
            attempt=1,
            layout="season",
            first_date=min(days, default=None),
            last_date=max(days, default=None),
            changed_since=DAY if hides else None,
            changed_until=DAY if hides else None,
            hidden=links.hidden(batch),
        )
        table = pa.Table.from_pylist(rows) if rows else pa.table({"_id": pa.array([], pa.string())})
        with self.store.exclusive(INGEST):
            self.store.commit_batch(manifest, table, [], links)

    def made(self, name: str) -> bool | None:
        """The outcome of a prediction in the prediction log."""
        known = self.prediction_log.outcomes([name]).get(name)
        assert known is None or known.source == "lake"
        return known and known.made


def _shot(occurrence: str, /, **changes: Any) -> dict[str, Any]:
    shot = REQUEST | {"made": 1, "event_id": -1} | changes
    key = ":".join(str(shot[name]) for name in NBA.identity)
    return {
        "_id": f"{key}:{changes.get('occurrence', occurrence)}",
        **{n: v for n, v in shot.items() if n != "occurrence"},
    }


@pytest.fixture
def setup(place: Place) -> Iterator[OutcomeSetup]:
    made = OutcomeSetup(place)
    yield made
    made.outcomes.close()
    made.prediction_log.close()


def test_a_shot_that_arrives_decides_its_prediction(setup: OutcomeSetup) -> None:
    made, missed, other, unnamed = (
        setup.predicted(),
        setup.predicted(seconds_remaining=290),
        setup.predicted(player_id=1),
        setup.predicted(game_id=None),
    )
    assert setup.outcomes.look() == 0
    assert setup.reads == []  # no batch holds the day
    setup.ingested("a", {}, {"seconds_remaining": 290, "made": 0}, {"seconds_remaining": 280})
    assert setup.outcomes.look() == 2
    assert [setup.made(call.id) for call in (made, missed, other, unnamed)] == [True, False, None, None]


def test_a_shot_that_was_there_already_decides_its_prediction(setup: OutcomeSetup) -> None:
    setup.ingested("a", {})
    assert setup.outcomes.look() == 0
    call = setup.predicted()
    assert setup.outcomes.look() == 1
    assert setup.made(call.id) is True


def test_each_row_of_a_bulk_request_gets_its_outcome(setup: OutcomeSetup) -> None:
    rows = [REQUEST, REQUEST | {"player_id": 1}, REQUEST | {"seconds_remaining": 290}]
    keys = [NBA.shot_key(NBA.request(**row)) or "" for row in rows]
    call = many([0.1, 0.2, 0.3], rows, awaited=tuple(enumerate(keys)))
    setup.prediction_log.append([call])
    setup.ingested("a", {}, {"seconds_remaining": 290, "made": 0})
    assert setup.outcomes.look() == 2
    assert [setup.made(f"{call.id}:{row}") for row in range(3)] == [True, None, False]


def test_an_outcome_follows_the_correction_of_its_shot(setup: OutcomeSetup) -> None:
    made, kept, moved = (setup.predicted(), setup.predicted(seconds_remaining=290), setup.predicted(player_id=7))
    setup.ingested("a", {}, {"seconds_remaining": 290}, {"player_id": 7})
    assert setup.outcomes.look() == 3
    setup.ingested("b", {"made": 0}, {"player_id": 8, "made": 0}, hides={"a": [0, 2]})
    again = setup.predicted(player_id=8)
    assert setup.outcomes.look() == 2
    assert [setup.made(call.id) for call in (made, kept, moved, again)] == [False, True, None, False]
    reads = len(setup.reads)
    setup.outcomes.look()
    assert len(setup.reads) == reads
    setup.ingested("c", {"player_id": 7, "made": 0})  # the shot of the third was someone's after all
    assert setup.outcomes.look() == 1
    assert setup.made(moved.id) is False


def test_the_outcome_of_a_withdrawn_shot_is_taken_back(setup: OutcomeSetup) -> None:
    rows = [REQUEST, REQUEST | {"seconds_remaining": 290}]
    keys = [NBA.shot_key(NBA.request(**row)) or "" for row in rows]
    call = many([0.1, 0.2], rows, awaited=tuple(enumerate(keys)))
    setup.prediction_log.append([call])
    setup.ingested("a", {}, {"seconds_remaining": 290})
    assert setup.outcomes.look() == 2
    setup.ingested("w", hides={"a": [1]})
    restarted = Outcomes(NBA, setup.store, setup.prediction_log)  # which doesn't know what was looked at
    assert restarted.look() == 0
    assert [setup.made(f"{call.id}:{row}") for row in range(2)] == [True, None]
    assert setup.prediction_log.awaiting(keys) == {keys[1]: [f"{call.id}:1"]}


def test_a_day_is_read_again_for_other_predictions_or_batches(setup: OutcomeSetup) -> None:
    setup.ingested("a", {"player_id": 1}, {"game_date": "2023-04-11"})
    setup.predicted()
    setup.predicted(game_date="2023-04-01")
    for _ in range(3):
        setup.outcomes.look()
    assert setup.reads == [DAY]
    setup.ingested("b", {"player_id": 2})
    setup.outcomes.look()
    assert len(setup.reads) == 2
    setup.predicted()
    setup.outcomes.look()
    assert len(setup.reads) == 3
    setup.ingested("c", {"game_date": "2023-04-11", "player_id": 2})
    setup.outcomes.look()
    assert len(setup.reads) == 3


def test_nothing_is_read_when_no_prediction_waits(setup: OutcomeSetup, monkeypatch: pytest.MonkeyPatch) -> None:
    setup.ingested("a", {})
    setup.predicted(game_id=None)
    monkeypatch.setattr(setup.store, "manifests", lambda: pytest.fail("no prediction waits"))
    assert setup.outcomes.look() == 0


def test_shots_that_share_a_key_are_matched_by_their_spot(setup: OutcomeSetup) -> None:
    here, there, far = setup.predicted(x=10.4), setup.predicted(x=30), setup.predicted(x=100)
    setup.ingested("a", {"made": 0}, {"x": 30, "made": 1})
    assert setup.outcomes.look() == 2
    assert [setup.made(call.id) for call in (here, there, far)] == [False, True, None]


def test_different_outcomes_at_one_spot_decide_nothing(setup: OutcomeSetup) -> None:
    open_, agreed = setup.predicted(), setup.predicted(seconds_remaining=290)
    same = {"seconds_remaining": 290, "made": 0}
    setup.ingested("a", {"made": 0}, {"made": 1}, same, same)
    assert setup.outcomes.look() == 1
    assert [setup.made(call.id) for call in (open_, agreed)] == [None, False]


def test_a_shot_decides_nothing_about_another_spot(setup: OutcomeSetup) -> None:
    what_if, near, exact = setup.predicted(x=100), setup.predicted(x=10.4, y=59.6), setup.predicted()
    setup.ingested("a", {"made": 1})
    assert setup.outcomes.look() == 2
    assert [setup.made(call.id) for call in (what_if, near, exact)] == [None, True, True]


def test_the_second_shot_of_a_second_waits_for_its_own(setup: OutcomeSetup) -> None:
    second = setup.predicted(x=200, y=5)
    setup.ingested("a", {"made": 1})
    assert setup.outcomes.look() == 0
    setup.ingested("b", {"x": 200, "y": 5, "made": 0, "occurrence": 1})
    assert setup.outcomes.look() == 1
    assert setup.made(second.id) is False


def test_a_bulk_request_is_read_once_for_all_of_its_rows(setup: OutcomeSetup, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [REQUEST, REQUEST | {"x": 11}, REQUEST | {"seconds_remaining": 290}]
    keys = [NBA.shot_key(NBA.request(**row)) or "" for row in rows]
    call = many([0.1, 0.2, 0.3], rows, awaited=tuple(enumerate(keys)))
    setup.prediction_log.append([call])
    setup.ingested("a", {}, {"seconds_remaining": 290, "made": 0})
    get, read = setup.prediction_log.call, []
    monkeypatch.setattr(setup.prediction_log, "call", lambda call_id: read.append(call_id) or get(call_id))
    assert setup.outcomes.look() == 2
    assert read == [call.id]
    assert [setup.made(f"{call.id}:{row}") for row in range(3)] == [True, None, False]


def test_a_day_of_many_shots_is_read_in_pages(setup: OutcomeSetup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHOTS_A_READ", 3)
    calls = [setup.predicted(seconds_remaining=second) for second in range(10)]
    setup.ingested("a", *({"seconds_remaining": second, "made": second % 2} for second in range(10)))
    assert setup.outcomes.look() == 10
    assert [setup.made(call.id) for call in calls] == [bool(second % 2) for second in range(10)]


def test_days_are_looked_at_some_at_a_time(setup: OutcomeSetup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DAYS_A_LOOK", 2)
    days = [f"2023-04-0{i}" for i in range(1, 6)]
    for day in days:
        setup.predicted(game_date=day)
    setup.ingested("a", *({"game_date": day} for day in days))
    assert [setup.outcomes.look() for _ in range(4)] == [2, 2, 1, 0]


def test_one_process_looks_and_another_takes_over(setup: OutcomeSetup, place: Place) -> None:
    setup.outcomes.start()
    other = Outcomes(NBA, opened(place), opened_prediction_log(place), look_seconds=0.02)
    looked: list[int] = []
    look = other.look
    other.look = lambda: looked.append(1) or look()  # type: ignore[method-assign,func-returns-value]
    first = setup.predicted()
    setup.ingested("a", {}, {"seconds_remaining": 290})
    until(lambda: setup.made(first.id))
    other.start()
    second = setup.predicted(seconds_remaining=290)
    until(lambda: setup.made(second.id))
    assert not looked
    setup.outcomes.close()
    until(lambda: looked)
    other.close()


def test_a_lake_that_cannot_be_read_is_reported_once_and_tried_again(
    setup: OutcomeSetup, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, module.__name__)
    call = setup.predicted()
    setup.ingested("a", {})

    def broken() -> list[Manifest]:
        raise error

    error: Exception = StoreError("the disk is gone")
    with monkeypatch.context() as patch:
        patch.setattr(setup.store, "manifests", broken)
        setup.outcomes.start()
        until(lambda: setup.outcomes.problem == "the disk is gone")
        error = ValueError("unforeseen")
        until(lambda: setup.outcomes.problem == "ValueError('unforeseen')")
    until(lambda: setup.made(call.id))
    until(lambda: setup.outcomes.problem is None)
    assert caplog.text.count("outcomes can't be looked up") == 1


def test_a_key_is_the_name_without_the_occurrence() -> None:
    assert key_of({"_id": "2023-04-09:1:2:3:4:0"}) == "2023-04-09:1:2:3:4"


@pytest.mark.parametrize(
    ("request_", "same"),
    [
        ({"x": 10, "y": 20}, True),
        ({"x": 10.5, "y": 19.6}, True),
        ({"x": 10.6, "y": 20}, False),
        ({"x": 10}, False),
        ({}, False),
    ],
)
def test_the_lake_holds_spots_in_whole_units(request_: dict[str, Any], same: bool) -> None:
    assert same_spot(request_, {"x": 10, "y": 20}, ["x", "y"]) == same
