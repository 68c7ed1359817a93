"""What a row is to the lake: new, a revision or a repeat, by event ids and places; ids don't depend on order."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parivision_assets.steps.feed.identity import STANDS, identify

IDENTITY, MATCH = ("game_date", "game_id", "player"), ("x", "made")
FIELDS = ["game_date", "game_id", "player", "x", "made", "note", "event_id"]
SHOT = {"game_date": "2023-01-01", "game_id": 1, "player": 7, "x": 5, "made": 1, "note": "n", "event_id": 3}
NO_EVENT = {"event_id": -1}


def frame(*changes: dict[str, Any]) -> pd.DataFrame:
    """Rows numbered from 1, one for each set of changes."""
    return pd.DataFrame([SHOT | c for c in changes], columns=FIELDS, index=range(1, len(changes) + 1))


def lake(*changes: dict[str, Any], corrected: tuple[int, ...] = ()) -> pd.DataFrame:
    """Rows that the lake holds, as a first batch; those at the positions `corrected` stand no longer."""
    rows = frame(*changes)
    if rows.empty:
        return rows.assign(_id="", **{STANDS: True})
    ids = identify(rows, lake(), IDENTITY, MATCH)["_id"]
    return rows.assign(_id=ids, **{STANDS: [at not in corrected for at in range(len(rows))]})


def said(new: pd.DataFrame, held: pd.DataFrame, corrects: dict[int, int] | None = None) -> list[tuple[Any, ...]]:
    """`_id` without the date and game, `held` and `stands` of each new row."""
    found = identify(new, held, IDENTITY, MATCH, corrects)
    assert found.index.tolist() == new.index.tolist()
    names = [None if name is None else name.removeprefix("2023-01-01:1:") for name in found["_id"]]
    return list(zip(names, found["held"], found[STANDS], strict=True))


NEW, SAME, DROPPED = ("7:0", -1, True), (None, 0, False), (None, -1, False)
REVISION, DIFFERS = ("7:0", 0, True), ("7:0", 0, False)


@pytest.mark.parametrize(
    ("held", "new", "expected"),
    [
        ([], [{}], [NEW]),
        ([{}], [{}], [SAME]),
        ([{}], [{"made": 0}], [REVISION]),
        ([{}], [{"note": "other"}], [REVISION]),
        ([{}], [{"event_id": 4}], [("7:1", -1, True)]),
        ([{}], [{"player": 8}], [("8:0", 0, True)]),
        ([{}], [{"game_date": "2023-01-02"}], [("2023-01-02:1:7:0", -1, True)]),
        ([{}, {"player": 9}], [{"player": 8}], [("8:0", -1, True)]),  # the event isn't unique in the lake
        ([{}], [{"player": 8}, {"player": 9}], [("8:0", -1, True), ("9:0", -1, True)]),  # nor here
        ([{}], [{"made": 0}, {"made": 1}], [REVISION, DROPPED]),
        ([NO_EVENT], [{}], [DIFFERS]),
        ([{}], [NO_EVENT], [DIFFERS]),
        ([NO_EVENT], [NO_EVENT], [SAME]),
        ([NO_EVENT], [NO_EVENT | {"note": "other"}], [DIFFERS]),
        ([NO_EVENT], [NO_EVENT | {"x": 6}], [("7:1", -1, True)]),
        ([NO_EVENT], [{"made": 0}], [("7:1", -1, True)]),
        ([NO_EVENT | {"x": 6}, NO_EVENT], [NO_EVENT | {"x": 6}, NO_EVENT], [(None, 0, False), (None, 1, False)]),
    ],
)
def test_what_a_row_is(held: list[dict[str, Any]], new: list[dict[str, Any]], expected: list[tuple[Any, ...]]) -> None:
    assert said(frame(*new), lake(*held)) == expected


def test_shots_that_exchange_their_shooters_exchange_their_ids() -> None:
    held = lake({"player": 7, "event_id": 1}, {"player": 8, "event_id": 2})
    new = frame({"player": 8, "event_id": 1}, {"player": 7, "event_id": 2})
    assert said(new, held) == [("8:0", 0, True), ("7:0", 1, True)]


def test_the_smallest_free_occurrence_is_used() -> None:
    held = lake({"x": 1, "event_id": 1}, {"x": 2, "event_id": 2}, {"x": 3, "event_id": 3})
    new = frame({"event_id": 2, "player": 8}, {"x": 9, "event_id": 8}, {"x": 8, "event_id": 9})
    assert said(new, held) == [("8:0", 1, True), ("7:3", -1, True), ("7:1", -1, True)]


def test_a_person_corrects_a_row_whatever_its_key() -> None:
    held = lake(NO_EVENT, NO_EVENT | {"x": 9})
    assert said(frame(NO_EVENT | {"made": 0}), held, {1: 0}) == [("7:0", -1, True)]
    assert said(frame(NO_EVENT | {"player": 8}), held, {1: 0}) == [("8:0", -1, True)]
    # Equal to another row in place and outcome, it is another shot all the same; equal in all, it is that shot.
    assert said(frame(NO_EVENT | {"x": 9, "note": "other"}), held, {1: 0}) == [("7:0", -1, True)]
    assert said(frame(NO_EVENT | {"x": 9}), held, {1: 0}) == [(None, 1, False)]


def test_a_correction_with_the_event_of_another_row_replaces_both() -> None:
    held = lake({"event_id": 1}, {"event_id": 2, "x": 9})
    assert said(frame({"event_id": 2, "x": 4}), held, {1: 0}) == [("7:1", 1, True)]


@pytest.mark.parametrize("event", [{}, NO_EVENT])
def test_a_record_that_a_person_corrected_does_not_come_back(event: dict[str, Any]) -> None:
    held = lake(event, event | {"player": 8, "x": 6}, corrected=(0,))
    assert said(frame(event), held) == [(None, 0, False)]
    assert said(frame(event | {"player": 8, "x": 6}), held) == [(None, 1, False)]


def test_what_a_person_corrected_back_is_the_row_that_stands() -> None:
    held = pd.concat([lake({}, corrected=(0,)), lake({})], ignore_index=True)
    assert said(frame({}), held) == [(None, 1, False)]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 1)), max_size=12), st.randoms())
def test_ids_do_not_depend_on_order(rows: list[tuple[int, int, int]], rng: Any) -> None:
    new = frame(*(NO_EVENT | {"game_id": game, "x": x, "made": made} for game, x, made in rows)).drop_duplicates()
    ids = identify(new, lake(), IDENTITY, MATCH)["_id"]
    order = list(range(len(new)))
    rng.shuffle(order)
    shuffled = identify(new.iloc[order], lake(), IDENTITY, MATCH)["_id"]
    assert ids.sort_index().tolist() == shuffled.sort_index().tolist()
    assert ids.is_unique
    held = new.assign(_id=ids, **{STANDS: True})
    again = identify(new.iloc[order], held, IDENTITY, MATCH)
    assert again["held"].tolist() == order
    assert again["_id"].isna().all()
