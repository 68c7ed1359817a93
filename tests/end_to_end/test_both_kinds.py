"""The pipeline on 15,000 real shots, once embedded and once on MongoDB: same shots, features and verdict."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
import numpy as np
import pytest
from pymongo.database import Database

from parivision_assets.commands.refresh import refresh
from parivision_core.nba.shots import NBA
from parivision_core.settings import Settings
from parivision_core.store import open_store
from parivision_core.store.base import Store
from tests.helpers.stores import named

SHOTS = 15_000
FILES = 3


@pytest.fixture(scope="module")
def files(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every other of a season's newest shots, in three files cut between days: a model needs 120 games to train."""
    folder = tmp_path_factory.mktemp("files")
    with zipfile.ZipFile(real_data / "NBA_2023_Shots.csv.zip") as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".csv") and not n.startswith("__"))
        header, *lines = archive.read(name).decode().splitlines()
    at = header.split(",").index("GAME_DATE")
    days = [line.split(",")[at] for line in lines]
    order = sorted(range(len(lines)), key=lambda i: (days[i][6:], days[i][:5]))[-SHOTS * 2 :]
    order = [line for n, line in enumerate(order) if n % 2]
    cuts = [SHOTS * k // FILES for k in range(FILES)]
    cuts = [next(c for c in range(cut, SHOTS) if c == 0 or days[order[c]] != days[order[c - 1]]) for cut in cuts]
    for number, (start, end) in enumerate(zip(cuts, [*cuts[1:], SHOTS], strict=True)):
        (folder / f"{number}.csv").write_text("\n".join([header, *(lines[i] for i in order[start:end])]) + "\n")
    return folder


def run_pipeline(settings: Settings, files: Path, dagster: Path) -> Store:
    """Everything from the files to the verdict, as `make refresh` does it."""
    dagster.mkdir()
    with dg.DagsterInstance.local_temp(str(dagster)) as instance:
        assert refresh(settings, NBA, instance) in ("promoted", "refused")
    store = open_store(settings, NBA)
    assert sum(m.rows for m in store.manifests()) == SHOTS
    return store


@pytest.mark.slow
@pytest.mark.real
def test_both_kinds_give_the_same_shots_features_and_verdict(
    files: Path,
    tmp_path: Path,
    mongo_server: str,
    mongo_database: Database[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PARIVISION_MONGO_URL", raising=False)
    common = {"PARIVISION_INBOX": str(files), "PARIVISION_INBOX_SETTLE_SECONDS": "0"}
    here = Settings.from_env({**common, "PARIVISION_HOME": str(tmp_path / "files")})
    embedded = run_pipeline(here, files, tmp_path / "dagster-files")
    url = named(mongo_server, mongo_database.name)
    monkeypatch.setenv("PARIVISION_MONGO_URL", url)  # the one switch; the resource reads it from there
    there = Settings.from_env({**common, "PARIVISION_HOME": str(tmp_path / "mongo"), "PARIVISION_MONGO_URL": url})
    mongo = run_pipeline(there, files, tmp_path / "dagster-mongo")
    assert not (tmp_path / "mongo" / "store").exists()

    columns = ["_id", *NBA.fields, "row", "batch_id", "raw"]
    ours, theirs = (store.lake(columns).sort_by("_id") for store in (embedded, mongo))
    assert ours.equals(theirs)
    assert ours.num_rows > 0.995 * SHOTS
    ours, theirs = embedded.warehouse(), mongo.warehouse()
    assert ours["_id"].equals(theirs["_id"])
    for name in ("offset", *NBA.feature_names):
        np.testing.assert_allclose(ours[name].to_numpy(), theirs[name].to_numpy(), rtol=0, atol=1e-9)
    assert embedded.get_feature_state() == mongo.get_feature_state()
    (one,), (other,) = embedded.verdicts(), mongo.verdicts()
    assert one.games >= 30
    same = {"judged_at": 0, "sha256": ""}  # each bundle names its own run
    assert msgspec.structs.replace(one, **same) == msgspec.structs.replace(other, **same)
