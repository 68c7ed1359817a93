"""The promises on real seasons: rows conserved, distances and sides proven, joints 1 and 5."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.steps.features.folding import columns_of, matrix_of, update_warehouse
from parivision_assets.steps.feed.ingesting import ingest
from parivision_assets.steps.training.pipeline import Trained, train
from parivision_core import scoring
from parivision_core.nba import court
from parivision_core.nba.shots import NBA
from parivision_core.records import Manifest
from parivision_core.store.files import FileStore

pytestmark = pytest.mark.real

SAMPLE = "sample"
FILES = ("NBA_2016", "NBA_2017", "NBA_2018", "NBA_2020", "NBA_2021", "NBA_2023", SAMPLE)


@pytest.fixture(scope="module")
def lake(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Manifest, FileStore]]:
    """Each file alone in a lake of its own, by what its name holds."""
    found = {}
    for batch in InboxFeed(real_data, 0).batches():
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
def test_rows_are_conserved(name: str, lake: dict[str, tuple[Manifest, FileStore]], real_data: Path) -> None:
    manifest, store = lake[name]
    rows = rows_of(next(p for p in real_data.iterdir() if name in p.name and p.name.endswith((".csv", ".zip"))))
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


def test_one_file_or_five_or_twice_over(real_data: Path, tmp_path: Path, put: Callable[..., list[Manifest]]) -> None:
    """Equal ids, content and counts, and features within 1e-9."""
    with zipfile.ZipFile(real_data / "NBA_2021_Shots.csv.zip") as archive:
        frame = pd.read_csv(archive.open("NBA_2021_Shots.csv"), dtype=str, keep_default_na=False)
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
    lake: dict[str, tuple[Manifest, FileStore]], real_data: Path
) -> None:
    """The Kaggle sample's shots of 2017-18 are recognised in the season's own layout, one by one."""
    _, sample = lake[SAMPLE]
    shared = sample.lake(["_id"], *NBA.part_bounds("2018"))["_id"].to_pylist()
    regular = sample.lake(["_id", "season_type"], *NBA.part_bounds("2018"))
    expected = {i for i, t in zip(shared, regular["season_type"].to_pylist(), strict=True) if t == "regular"}
    held = set(lake["NBA_2018"][1].lake(["_id"])["_id"].to_pylist())
    assert len(expected) > 20
    assert expected <= held


@pytest.fixture(scope="module")
def trained(
    lake: dict[str, tuple[Manifest, FileStore]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Trained, FileStore]:
    """A candidate of the season 2020-21."""
    store = lake["NBA_2021"][1]
    update_warehouse(store, NBA)
    return train(store, NBA, tmp_path_factory.mktemp("bundle"), "run"), store


def test_the_graph_equals_the_trainer_on_real_rows(trained: tuple[Trained, FileStore]) -> None:
    """Joint 5: within 1e-5 on 20,000 real rows with their offsets, and with inputs left out."""
    model, store = trained
    table = store.warehouse().slice(100_000, 20_000)
    features, offset = matrix_of(table, NBA)
    everything = {name: np.ones(len(features), dtype=bool) for name in NBA.masks}
    for rows in (features, NBA.mask(features, everything)):
        gap = np.abs(model.bundle.predict(rows, offset) - model.fitted.predict(rows, offset))
        assert gap.max() < 1e-5
    assert model.defects == []


def test_the_model_is_better_than_what_it_must_beat(trained: tuple[Trained, FileStore]) -> None:
    """And not too good: accuracy above 0.65 would be a leak until proven otherwise."""
    model, _ = trained
    assert model.scores["unseen"].log_loss < 0.655
    assert model.scores["unseen"].accuracy < 0.65
    assert model.scores["unseen"].ece < 0.03
    assert model.scores["spot and clock alone"].log_loss < 0.668


def test_the_feature_state_is_the_same_when_later_games_are_removed(
    trained: tuple[Trained, FileStore], tmp_path: Path
) -> None:
    """No feature of a real shot knows a later day."""
    _, store = trained
    shots = store.lake(["_id", *NBA.fields]).sort_by([("game_date", "ascending"), ("_id", "ascending")])
    early = shots.filter(pa.compute.less_equal(shots["game_date"], "2021-02-15"))
    short, offset, _ = NBA.fold(NBA.empty_feature_state(), columns_of(early))
    full = store.warehouse().slice(0, early.num_rows)
    assert full["_id"].equals(early["_id"])
    features, full_offset = matrix_of(full, NBA)
    assert np.abs(features.astype(float) - short).max() < 1e-6
    assert np.abs(full_offset.astype(float) - offset).max() < 1e-6


def test_the_base_alone_beats_the_zone_rates(trained: tuple[Trained, FileStore]) -> None:
    _, store = trained
    table = store.warehouse()
    features, offset = matrix_of(table, NBA)
    made = table["made"].to_numpy()
    base = scoring.score(made, scoring.sigmoid(offset)).log_loss
    assert base < scoring.score(made, NBA.baseline(features, made, features)).log_loss
