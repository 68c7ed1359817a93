"""Predictions as readers of the log see them: each once and in order, whatever the pages and deletions."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parivision_core.prediction_log import predictions
from parivision_core.prediction_log.base import Call, Outcome, PredictionLog
from parivision_core.prediction_log.ids import first_at, made_at, new_id
from parivision_core.prediction_log.predictions import LoggedPrediction, PredictionQuery, find, page
from parivision_core.prediction_log.sqlite import SqlitePredictionLog
from tests.helpers.prediction_logs import many, one

NAN = float("nan")
VERSION_4, VERSION_7 = "018e4c5a-7b1e-4000-8000-3f2a9c1d5e77", "018e4c5a-7b1e-7000-8000-3f2a9c1d5e77"
ALL = PredictionQuery()


@pytest.fixture
def prediction_log(tmp_path: Path) -> Iterator[PredictionLog]:
    kept = SqlitePredictionLog(tmp_path / "prediction_log.sqlite")
    yield kept
    kept.close()


def arrow(columns: dict[str, Any], probabilities: list[float], piece: int = 2) -> Call:
    table, body = pa.table(columns), io.BytesIO()
    with pa.ipc.new_stream(body, table.schema) as stream:
        stream.write_table(table, max_chunksize=piece)
    return many(probabilities, content="arrow", request=body.getvalue())


def walk(prediction_log: PredictionLog, query: PredictionQuery, limit: int) -> list[LoggedPrediction]:
    """The predictions of all pages."""
    found, cursor = [], None
    while True:
        shown = page(prediction_log, query, limit, cursor)
        assert len(shown.predictions) <= limit
        found += shown.predictions
        if shown.next is None:
            return found
        cursor = shown.next


def test_a_prediction_is_shown_with_all_that_traces_it(prediction_log: PredictionLog) -> None:
    call = one(0.25)
    prediction_log.append([call])
    prediction_log.put_outcomes({call.id: Outcome(made=True, source="caller", reported_at=3)})
    shown = find(prediction_log, call.id)
    assert shown == LoggedPrediction(
        id=call.id,
        made_at=made_at(call.id),
        request={"x": -120, "y": 85, "player_id": 7},
        probability=0.25,
        champion_version=3,
        champion_sha256="c" * 64,
        feature_state_stamp="f" * 16,
        feature_schema="s1",
        latency_ms=1.5,
        caller="page",
        outcome=Outcome(made=True, source="caller", reported_at=3),
    )
    assert page(prediction_log, ALL, 10).predictions == [shown]
    assert msgspec.json.decode(msgspec.json.encode(shown), type=LoggedPrediction) == shown


def test_a_bulk_request_is_a_prediction_for_each_answered_row(prediction_log: PredictionLog) -> None:
    call = many([0.1, NAN, 0.3], [{"x": 1}, "no object", {"x": 3}])
    prediction_log.append([call])
    shown = page(prediction_log, ALL, 10).predictions
    assert [(p.id, p.request, p.probability) for p in shown] == [
        (f"{call.id}:0", {"x": 1}, 0.1),
        (f"{call.id}:2", {"x": 3}, 0.3),
    ]
    assert find(prediction_log, f"{call.id}:2") == shown[1]
    for name in (call.id, f"{call.id}:1", f"{call.id}:3", f"{new_id()}:0", new_id()):
        assert find(prediction_log, name) is None
    prediction_log.delete(call.id, 0)
    assert find(prediction_log, f"{call.id}:0") is None
    assert page(prediction_log, ALL, 10).predictions == shown[1:]


def test_a_single_shot_has_no_rows(prediction_log: PredictionLog) -> None:
    call = one()
    prediction_log.append([call])
    assert find(prediction_log, f"{call.id}:0") is None


def test_an_arrow_stream_is_read_row_by_row(prediction_log: PredictionLog) -> None:
    columns = {
        "x": [1, 2, 3, 4, 5],
        "y": [0.5, None, 1.5, 2.5, 3.5],
        "kind": pa.array(["jump", "layup", None, "jump", "jump"]).dictionary_encode(),
        "player_id": pa.array([7, 8, 7, 7, 9], pa.uint32()),
    }
    call = arrow(columns, [0.1, 0.2, NAN, 0.4, 0.5])
    prediction_log.append([call])
    shown = page(prediction_log, ALL, 10).predictions
    assert [p.request for p in shown] == [
        {"x": 1, "y": 0.5, "kind": "jump", "player_id": 7},
        {"x": 2, "kind": "layup", "player_id": 8},
        {"x": 4, "y": 2.5, "kind": "jump", "player_id": 7},
        {"x": 5, "y": 3.5, "kind": "jump", "player_id": 9},
    ]
    sevens = page(prediction_log, PredictionQuery(fields={"player_id": (7,)}), 10).predictions
    assert [p.id for p in sevens] == [f"{call.id}:0", f"{call.id}:3"]
    assert find(prediction_log, f"{call.id}:4") == shown[3]


def test_a_stream_that_is_shorter_than_its_answer_leaves_the_predictions(prediction_log: PredictionLog) -> None:
    prediction_log.append([arrow({"x": [1, 2]}, [0.1, 0.2, 0.3]), many([0.4, 0.5], [{"x": 1}])])
    shown = page(prediction_log, ALL, 10).predictions
    assert [(p.probability, p.request) for p in shown] == [
        (0.4, {"x": 1}), (0.5, None), (0.1, None), (0.2, None), (0.3, None)
    ]  # fmt: skip


@pytest.mark.parametrize("content", ["shot", "rows", "arrow"])
def test_a_body_that_cannot_be_read_any_more_leaves_its_prediction(prediction_log: PredictionLog, content: str) -> None:
    call = one(0.7, content=content, request=b"\x00rubbish")
    prediction_log.append([call])
    (shown,) = page(prediction_log, ALL, 10).predictions
    assert (shown.request, shown.probability) == (None, 0.7)
    assert page(prediction_log, PredictionQuery(fields={"player_id": (7,)}), 10).predictions == []


def test_filters_restrict_the_predictions(prediction_log: PredictionLog) -> None:
    calls = [
        one(caller="a"),
        one(champion_version=4),
        many([0.1, 0.2, 0.3], caller="a"),
        one(request={"player_id": 2}),
    ]
    prediction_log.append(calls)
    first, second, batch, last = (call.id for call in calls)
    names = [last, f"{batch}:0", f"{batch}:1", f"{batch}:2", second, first]
    prediction_log.put_outcomes(
        {
            f"{batch}:1": Outcome(made=True, source="lake", reported_at=1),
            first: Outcome(made=False, source="caller", reported_at=1),
        }
    )

    def chosen(**query: Any) -> list[str]:
        return [p.id for p in walk(prediction_log, PredictionQuery(**query), 2)]

    assert chosen() == names
    assert chosen(champion_version=4) == [second]
    assert chosen(caller="a") == [*names[1:4], first]
    assert chosen(outcome="known") == [f"{batch}:1", first]
    assert chosen(outcome="unknown") == [name for name in names if name not in (f"{batch}:1", first)]
    assert chosen(outcome="made") == [f"{batch}:1"]
    assert chosen(outcome="missed") == [first]
    assert chosen(fields={"player_id": (2,)}) == [last, f"{batch}:2"]
    assert chosen(fields={"player_id": (0, 7)}) == [f"{batch}:0", second, first]
    assert chosen(fields={"player_id": (2,), "x": (2,)}) == [f"{batch}:2"]


def test_a_period_includes_its_beginning_and_excludes_its_end(prediction_log: PredictionLog) -> None:
    ids = [first_at(moment) for moment in (1000, 2000, 3000)]
    prediction_log.append([one(id=ids[0]), many([0.1, 0.2], id=ids[1]), one(id=ids[2])])

    def chosen(since: int | None, until: int | None, cursor: str | None = None) -> list[int]:
        return [
            p.made_at for p in page(prediction_log, PredictionQuery(since=since, until=until), 10, cursor).predictions
        ]

    assert chosen(2000, None) == [3000, 2000, 2000]
    assert chosen(None, 2000) == [1000]
    assert chosen(1001, 3000) == [2000, 2000]
    assert chosen(2001, 3000) == []
    assert chosen(None, None, f"{ids[1]}:0") == [2000, 1000]
    assert chosen(None, 2000, f"{ids[1]}:0") == [1000]
    assert chosen(2001, None, f"{ids[1]}:0") == []


def test_a_cursor_stays_valid_when_its_prediction_is_deleted(prediction_log: PredictionLog) -> None:
    calls = [one(0.1), many([0.2, 0.3, 0.4]), one(0.5)]
    prediction_log.append(calls)
    at = page(prediction_log, ALL, 2).next
    assert at == f"{calls[1].id}:0"
    prediction_log.delete(calls[1].id)
    assert [p.probability for p in page(prediction_log, ALL, 5, at).predictions] == [0.1]


@pytest.mark.parametrize("cursor", ["", "x", VERSION_4, f"{VERSION_7}:x"])
def test_a_cursor_that_no_page_gave_is_refused(prediction_log: PredictionLog, cursor: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        page(prediction_log, ALL, 5, cursor)


def test_a_page_examines_a_bounded_number(prediction_log: PredictionLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "PIECE", 3)
    monkeypatch.setattr(predictions, "MOST_PIECES", 2)
    calls = [one(), *(one(caller="b") for _ in range(10)), many([0.1] * 10)]
    prediction_log.append(calls)
    no_match = page(prediction_log, PredictionQuery(fields={"player_id": ("no such player",)}), 5)
    assert (no_match.predictions, no_match.next) == ([], f"{calls[-1].id}:5")
    assert [p.id for p in walk(prediction_log, PredictionQuery(caller="page", fields={"player_id": (7,)}), 5)] == [
        f"{calls[-1].id}:7",
        calls[0].id,
    ]


CALL = st.one_of(st.just(None), st.lists(st.booleans(), min_size=1, max_size=9))
"""A single shot, or a bulk request with rows that were answered or refused."""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    made=st.lists(CALL, max_size=12),
    limit=st.integers(1, 7),
    piece=st.integers(1, 5),
    most=st.integers(1, 4),
    deletions=st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=8),
)
def test_every_prediction_comes_once_and_in_order(
    tmp_path: Path, made: list[Any], limit: int, piece: int, most: int, deletions: list[tuple[int, bool]]
) -> None:
    """Also when some are deleted between two pages: what is left is shown, and nothing is shown twice."""
    prediction_log = SqlitePredictionLog(tmp_path / f"{new_id()}.sqlite")
    calls = [one() if rows is None else many([0.5 if row else NAN for row in rows]) for rows in made]
    prediction_log.append(calls)
    names = []
    for call, rows in zip(calls[::-1], made[::-1], strict=True):
        names += [call.id] if rows is None else [f"{call.id}:{i}" for i, row in enumerate(rows) if row]
    gone: set[str] = set()
    shown: list[str] = []
    cursor = None
    deleting = iter(deletions)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictions, "PIECE", piece)
        patch.setattr(predictions, "MOST_PIECES", most)
        while True:
            found = page(prediction_log, ALL, limit, cursor)
            assert len(found.predictions) <= limit
            shown += [p.id for p in found.predictions]
            if found.next is None:
                break
            cursor = found.next
            number, whole = next(deleting, (None, False))
            if number is not None and names:
                name = names[number % len(names)]
                call_id, _, row = name.partition(":")
                gone |= {n for n in names if n == name or (whole and n.startswith(call_id))}
                prediction_log.delete(call_id, None if whole or not row else int(row))
    prediction_log.close()
    assert len(shown) == len(set(shown))
    assert shown == [name for name in names if name in set(shown)]
    assert set(names) - set(shown) <= gone
