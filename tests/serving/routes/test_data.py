"""GET /api/v1/data/summary: counts of lake and warehouse, and the make rates of the feature state in service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from parivision_core.nba.shots import NBA
from parivision_core.problems import StoreError
from parivision_core.records import Links, Quarantined
from parivision_core.store import open_files
from parivision_core.store.base import CURRENT_FEATURE_STATE, WarehouseState
from parivision_serving.routes import data
from parivision_serving.routes.data import data_route
from tests.helpers.lake import ALL, BATCHES, commit
from tests.helpers.serving_setup import make_bundle, make_feature_state
from tests.helpers.small_app import client_of, operation, problem_of, watcher_of
from tests.helpers.stores import Place, opened

SUMMARY = "/api/v1/data/summary"


def test_an_empty_platform_is_summed_up(place: Place) -> None:
    with client_of(data_route(NBA, opened(place), watcher_of())) as client:
        body = client.get(SUMMARY).json()
    assert body["lake"] == {
        "batches": 0,
        "withdrawn": 0,
        "shots": 0,
        "revised": 0,
        "duplicates": 0,
        "quarantined": 0,
        "feeds": [],
        "first_date": None,
        "last_date": None,
        "last_batch_at": None,
    }
    assert body["warehouse"] == {
        "shots": 0,
        "batches": 0,
        "seasons": {},
        "feature_schema": "",
        "feature_state_stamp": "",
    }
    assert body["make_rates"] is body["feature_state_through"] is None


def test_counts_are_those_of_the_store(place: Place, tmp_path: Path) -> None:
    import pyarrow as pa

    store = opened(place)
    for batch, shots in BATCHES.items():
        commit(store, batch, shots)
    part = pa.table({"_id": ["a", "b"], "made": [0, 1]})
    record = make_feature_state(1)
    state = WarehouseState(schema="s", feature_state_stamp=record.stamp, batches=("old", "new"), rows=2)
    store.publish_warehouse({"2023": part}, state, {CURRENT_FEATURE_STATE: record})
    watcher = watcher_of(make_bundle(tmp_path / "bundle", 1), record)
    with client_of(data_route(NBA, store, watcher)) as client:
        body = client.get(SUMMARY).json()
    lake = body["lake"]
    assert (lake["batches"], lake["shots"], lake["first_date"]) == (4, len(ALL), ALL[-1]["game_date"])
    assert lake["feeds"] == sorted({manifest.feed for manifest in store.manifests()})
    assert (lake["last_date"], lake["last_batch_at"]) == (ALL[0]["game_date"], store.manifests()[-1].committed_at)
    assert body["warehouse"] == {
        "shots": 2,
        "batches": 2,
        "seasons": {"2023": 2},
        "feature_schema": "s",
        "feature_state_stamp": record.stamp,
    }
    assert body["feature_state_through"] == "2023-04-09"
    assert sum(rate["weight"] for rate in body["make_rates"]) == pytest.approx(400, abs=1)


def test_make_rates_are_those_of_the_shots(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    n = 2000
    shots: dict[str, Any] = {name: np.zeros(n, dtype=np.int64) for name in NBA.fields}
    shots |= {name: np.full(n, "", dtype=object) for name, kind in NBA.fields.items() if kind == "string"}
    shots |= {"game_date": np.full(n, "2023-01-01"), "x": rng.integers(-240, 240, n), "y": rng.integers(-40, 300, n)}
    shots |= {"made": rng.integers(0, 2, n), "period": np.ones(n, dtype=np.int64)}
    rates = NBA.rates(NBA.fold(NBA.empty_feature_state(), shots)[2])
    wanted = NBA.breakdown(shots)
    assert [rate.group for rate in rates] == [group for group, *_ in wanted]
    assert [rate.weight for rate in rates] == [count for _, count, _ in wanted]
    assert [rate.make_rate for rate in rates] == pytest.approx([rate for *_, rate in wanted])


def test_replayed_rows_no_longer_count_as_quarantined(tmp_path: Path) -> None:
    store = open_files(tmp_path, NBA)
    commit(store, "old", BATCHES["old"])
    made = store.manifests()[0]
    import pyarrow as pa

    nothing = pa.table({"_id": pa.array([], pa.string())})
    bad = msgspec.structs.replace(
        made, batch_id="bad", fingerprint="2", rows=2, inserted=0, quarantined=2, first_date=None
    )
    store.commit_batch(bad, nothing, [Quarantined(batch_id="bad", row=n, reason="r", raw="{}") for n in (1, 2)])
    mended = msgspec.structs.replace(
        bad, batch_id="mend", fingerprint="3", rows=0, quarantined=0, resolves=(("bad", 2),)
    )
    store.commit_batch(mended, nothing, [])
    assert data.lake_summary(store).quarantined == 1


def test_the_summary_is_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_files(tmp_path, NBA)
    requested = []
    monkeypatch.setattr(store, "manifests", lambda: requested.append(1) or [])
    with client_of(data_route(NBA, store, watcher_of())) as client:
        for _ in range(5):
            assert client.get(SUMMARY).status_code == 200
    assert len(requested) == 1


def test_a_store_that_is_down_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_files(tmp_path, NBA)

    def broken() -> Any:
        raise StoreError("the disk is gone; mount it again")

    monkeypatch.setattr(store, "manifests", broken)
    with client_of(data_route(NBA, store, watcher_of())) as client:
        assert problem_of(client.get(SUMMARY), 503) == "the disk is gone; mount it again"
        assert problem_of(client.get(SUMMARY), 503) == "the disk is gone; mount it again", "the error is cached, too"
        operation(client, "get", SUMMARY)


def test_withdrawn_batches_and_replaced_records_do_not_count(tmp_path: Path) -> None:
    store = open_files(tmp_path, NBA)
    commit(store, "old", BATCHES["old"])
    commit(store, "new", BATCHES["new"])
    commit(store, "more", BATCHES["between"][:5], Links(hides={"old": [1, 2]}))
    rows = list(range(1, len(BATCHES["new"]) + 1))
    commit(store, "w", [], Links(hides={"new": rows}), withdraws=("new",))
    summary = data.lake_summary(store)
    assert (summary.batches, summary.withdrawn) == (2, 1)
    assert summary.shots == store.lake(["_id"]).num_rows == len(BATCHES["old"]) - 2 + 5
    assert summary.last_date == max(shot["game_date"] for shot in (*BATCHES["old"], *BATCHES["between"][:5]))
