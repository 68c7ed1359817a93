"""Which shots stand when later commits hide some: as a plain model of the rule says, in each kind of store."""

from __future__ import annotations

from pathlib import Path

from parivision_core.records import Links
from parivision_core.store.shots import ShotQuery
from tests.helpers.lake import DAYS, commit, make_shots
from tests.helpers.stores import opened


def test_quick(tmp_path: Path) -> None:
    store = opened({"kind": "files", "folder": str(tmp_path)})
    a, b = make_shots(DAYS, 10, 1), make_shots(DAYS, 10, 2)
    commit(store, "a", a)
    commit(store, "b", b, links=Links(hides={"a": [3, 1], "b": [10]}, repeats={"a": [(7, 11), (5, 12)]}))
    stand = {s["_id"] for s in [*a, *b]} - {a[0]["_id"], a[2]["_id"], b[9]["_id"]}
    assert set(store.lake()["_id"].to_pylist()) == stand == {s["_id"] for s in store.find_shots(ShotQuery(), 100)}
    table, links = store.stored("b")
    assert links == Links(hides={"a": [1, 3], "b": [10]}, repeats={"a": [(5, 12), (7, 11)]})
    assert table.num_rows == 10
