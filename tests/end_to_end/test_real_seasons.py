"""The promises on real seasons: rows conserved, distances and sides proven, the same shots however they arrive.

The quick layer reads a sample of whole games of each file, the slow one every row.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.steps.features.folding import columns_of, matrix_of, update_warehouse
from parivision_assets.steps.feed.ingesting import ingest
from parivision_core.nba import court
from parivision_core.nba.shots import NBA
from parivision_core.records import Manifest
from parivision_core.store.files import FileStore
from tests.helpers.real_seasons import EVERY, KAGGLE, SEASONS, sampled, season

pytestmark = pytest.mark.real

FILES = (*SEASONS, KAGGLE)
LAYERS = ["sample", pytest.param("whole", marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=LAYERS)
def folder(request: pytest.FixtureRequest, real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files are."""
    return real_data if request.param == "whole" else sampled(real_data, tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def lake(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Manifest, FileStore]]:
    """Each file alone in a lake of its own, by what its name holds."""
    found = {}
    for batch in InboxFeed(folder, 0).batches():
        store = FileStore(tmp_path_factory.mktemp("lake"), NBA.lake, NBA.warehouse)
        name = next((f for f in FILES if f in batch.source), None)
        if name is None:  # a file beside the seasons
            continue
        found[name] = (ingest(batch, NBA, store), store)
    return found


def rows_of(path: Path) -> list[tuple[str, ...]]:
    """The file's rows, counted by other means than the platform's."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            (member,) = (n for n in archive.namelist() if n.endswith(".csv") and not n.startswith("__MACOSX"))
            text = archive.read(member).decode()
    else:
        text = path.read_text()
    return [tuple(row) for row in csv.reader(io.StringIO(text))][1:]


@pytest.mark.parametrize("name", FILES)
def test_rows_are_conserved(name: str, lake: dict[str, tuple[Manifest, FileStore]], folder: Path) -> None:
    manifest, store = lake[name]
    rows = rows_of(next(p for p in folder.iterdir() if name in p.name and p.name.endswith((".csv", ".zip"))))
    assert manifest.rows == len(rows) == manifest.inserted + manifest.duplicates + manifest.quarantined
    assert manifest.duplicates == len(rows) - len(set(rows))
    assert manifest.quarantined <= 0.001 * len(rows)
    assert store.lake(["_id"])["_id"].combine_chunks().unique().__len__() == manifest.inserted


@pytest.mark.parametrize("name", FILES)
def test_locations_are_where_the_record_says(name: str, lake: dict[str, tuple[Manifest, FileStore]]) -> None:
    _, store = lake[name]
    table = store.lake([*NBA.fields, "raw"])
    shots = columns_of(table.drop(["raw"]))
    assert NBA.check_location(shots) >= 0.99
    left = np.array(["Left Corner 3" in raw for raw in table["raw"].to_pylist()])
    assert left.any()
    assert (shots["x"][left] < 0).all()
    assert (court.zone(shots["x"], shots["y"])[left] == 6).all()
    stated = shots["points"]
    assert (court.points(shots["x"], shots["y"]) == stated).mean() > 0.999


@pytest.mark.parametrize("every", [EVERY, pytest.param(1, marks=pytest.mark.slow)])
def test_one_file_or_five_or_twice_over(
    every: int, real_data: Path, tmp_path: Path, put: Callable[..., list[Manifest]]
) -> None:
    """Equal ids, content and counts, and features within 1e-9."""
    frame = season(real_data, "NBA_2021", every)
    order = frame["GAME_ID"].drop_duplicates().to_numpy()
    pieces = [frame[frame["GAME_ID"].isin(games)] for games in np.array_split(order, 5)]
    stores = [FileStore(tmp_path / name, NBA.lake, NBA.warehouse) for name in ("whole", "cut")]
    put(stores[0], frame)
    put(stores[1], *(pieces[i] for i in (2, 4, 0, 3, 1)))
    (again,) = put(stores[0], frame.iloc[::-1])
    assert (again.inserted, again.duplicates) == (0, len(frame))
    seen = []
    for store in stores:
        update_warehouse(store, NBA)
        lake = store.lake(["_id", *NBA.fields]).sort_by("_id")
        seen.append((lake, store.warehouse().sort_by("_id")))
    (one, one_features), (other, other_features) = seen
    assert one.equals(other)
    assert one_features.drop(NBA.feature_names).equals(other_features.drop(NBA.feature_names))
    ours, theirs = matrix_of(one_features, NBA), matrix_of(other_features, NBA)
    assert max(np.abs(a.astype(float) - b.astype(float)).max() for a, b in zip(ours, theirs, strict=True)) <= 1e-9


def test_the_sample_and_the_seasons_hold_the_same_shots(
    lake: dict[str, tuple[Manifest, FileStore]],
) -> None:
    """The Kaggle sample's shots of 2017-18 are recognised in the season's own layout, one by one."""
    _, sample = lake[KAGGLE]
    shared = sample.lake(["_id"], *NBA.part_bounds("2018"))["_id"].to_pylist()
    regular = sample.lake(["_id", "season_type"], *NBA.part_bounds("2018"))
    expected = {i for i, t in zip(shared, regular["season_type"].to_pylist(), strict=True) if t == "regular"}
    held = set(lake["NBA_2018"][1].lake(["_id"])["_id"].to_pylist())
    assert len(expected) > 20
    assert expected <= held
