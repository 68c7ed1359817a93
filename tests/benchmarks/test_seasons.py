"""What benchmarks make of season files."""

from __future__ import annotations

from pathlib import Path

from benchmarks.seasons import commit, ingested
from parivision_core.nba.shots import NBA
from parivision_core.store import open_files
from tests.helpers import shots


def test_rows_of_one_lake_become_a_batch_of_another(tmp_path: Path) -> None:
    files = [
        shots.write(shots.season(games=2, start=f"{year}-11-01"), tmp_path / f"{year}.csv") for year in (2020, 2021)
    ]
    lake = ingested(files, tmp_path / "one")[0].lake()
    store = open_files(tmp_path / "other", NBA)
    commit(store, "both", lake)
    assert store.lake(["_id", "made"]).equals(lake.select(["_id", "made"]))
    assert set(store.lake(["batch_id"])["batch_id"].to_pylist()) == {"both"}
