"""Which shots stand when later commits hide some: as a plain model of the rule says, in each kind of store."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from pymongo import MongoClient

from parivision_core.store.base import Store
from parivision_core.store.shots import ShotQuery
from tests.helpers.histories import STEPS, Model, Step
from tests.helpers.lake import DAYS, Shot, ordered
from tests.helpers.stores import Place, opened

EXAMPLES = {"files": 15, "mongo": 3}


@pytest.fixture
def fresh(place: Place) -> Callable[[], Place]:
    """Places of empty stores, one after the other."""
    count = itertools.count()

    def another() -> Place:
        if place["kind"] == "mongo":
            with MongoClient(place["url"]) as client:
                client.drop_database(place["database"])
            return place
        return {**place, "folder": f"{place['folder']}-{next(count)}"}

    return another


def pages(store: Store, size: int) -> Iterator[Shot]:
    """All shots, page by page."""
    after = None
    while page := store.find_shots(ShotQuery(after=after), size):
        yield from page
        after = (page[-1]["game_date"], page[-1]["_id"])


def plain(store: Store, **narrowed: Any) -> list[Shot]:
    """What `lake` reads, newest first."""
    table = store.lake(["_id", "game_date", "made", "x"], **narrowed)
    return ordered(table.to_pylist())


def short(shots: list[Shot]) -> list[Shot]:
    return [{name: shot[name] for name in ("_id", "game_date", "made", "x")} for shot in shots]


def holds(store: Store, model: Model) -> None:
    """Assert that the store shows what stands, however it is read, and keeps the rest."""
    wanted = model.shots()
    assert plain(store) == short(wanted)
    assert store.find_shots(ShotQuery(), 1000) == wanted
    assert list(pages(store, 7)) == wanted
    for day in DAYS[::5]:
        assert plain(store, days=[day]) == plain(store, since=day, until=day)
        assert plain(store, days=[day]) == short([shot for shot in wanted if shot["game_date"] == day])
        assert sum(len(piece) for piece in store.scan(["x"], until=day)) == sum(s["game_date"] <= day for s in wanted)
    of_player = [shot for shot in wanted if shot["player_id"] == 2544]
    assert store.find_shots(ShotQuery(where={"player_id": (2544,)}), 2, ["_id"]) == [
        {"_id": shot["_id"]} for shot in of_player[:2]
    ]
    for n, batch in enumerate(model.batches):
        assert plain(store, batch=batch) == short(model.shots(batch))
        assert store.find_shots(ShotQuery(batch=batch), 1000) == model.shots(batch)
        table, links = store.stored(batch)
        rows = {(row.batch, row.row): row.shot["_id"] for row in model.rows if row.n == n}
        found = zip(table["batch_id"].to_pylist(), table["row"].to_pylist(), table["_id"].to_pylist(), strict=True)
        assert {(of, row): name for of, row, name in found} == rows
        assert links == model.links[batch]
        day = [row for row in model.rows if row.n == n and row.shot["game_date"] == DAYS[0]]
        assert len(store.stored(batch, days=[DAYS[0]])[0]) == len(day)
    assert len(wanted) == sum(m.inserted - m.hidden for m in store.manifests())


def test_what_stands_is_what_the_rule_says(place: Place, fresh: Callable[[], Place]) -> None:
    @settings(database=None, max_examples=EXAMPLES[place["kind"]])
    @given(steps=STEPS)
    def check(steps: list[Step]) -> None:
        here, model = fresh(), Model()
        store = opened(here)
        model.commit(store, Step(12, [], [], [], False, []))
        for step in steps:
            model.commit(store, step)
            if place["kind"] == "files":  # its files stay in memory between searches
                assert store.find_shots(ShotQuery(), 1000) == model.shots()
        holds(store, model)
        holds(opened(here), model)

    check()
