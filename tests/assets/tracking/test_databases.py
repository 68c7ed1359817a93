"""MLflow's and Dagster's SQLite files: a moved state folder keeps its models, and damage is one paragraph."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest
from mlflow.artifacts import download_artifacts

from parivision_assets.tracking.databases import check_databases, follow_artifacts
from parivision_core.problems import RegistryError
from parivision_core.settings import Settings


def settings_of(home: Path) -> Settings:
    return Settings(home=home).resolved()


def test_a_moved_state_folder_keeps_its_artifacts(tmp_path: Path) -> None:
    before, after = settings_of(tmp_path / "here"), settings_of(tmp_path / "a place 100%")
    before.artifacts.mkdir(parents=True)
    client = mlflow.MlflowClient(before.tracking_uri)
    experiment = client.create_experiment("parivision", artifact_location=before.artifacts.as_uri())
    elsewhere = client.create_experiment("other", artifact_location="s3://bucket/folder")
    run = client.create_run(experiment)
    client.log_text(run.info.run_id, "graph", "bundle/model.onnx")
    client.create_registered_model("parivision")
    client.create_model_version("parivision", f"{run.info.artifact_uri}/bundle", run.info.run_id)
    assert follow_artifacts(before) == 0

    before.home.rename(after.home)
    assert follow_artifacts(after) == 4  # the experiment's, the run's, and two of the version
    assert follow_artifacts(after) == 0
    moved = mlflow.MlflowClient(after.tracking_uri)
    source = moved.get_model_version("parivision", "1").source
    assert source == f"{after.artifacts.as_uri()}/{run.info.run_id}/artifacts/bundle"
    found = download_artifacts(artifact_uri=source, dst_path=str(tmp_path), tracking_uri=after.tracking_uri)
    assert (Path(found) / "model.onnx").read_text() == "graph"
    assert moved.get_experiment(elsewhere).artifact_location == "s3://bucket/folder"


def test_without_a_database_nothing_is_done(tmp_path: Path) -> None:
    assert follow_artifacts(settings_of(tmp_path)) == 0
    check_databases(settings_of(tmp_path), tmp_path / "dagster")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("mlflow/mlflow.db", "the champion are lost and training begins anew"),
        ("dagster/history/runs.db", "its history of runs is lost"),
        ("dagster/history/runs/index.db", "its history of runs is lost"),
        ("dagster/schedules/schedules.db", "its history of runs is lost"),
    ],
)
def test_a_damaged_database_is_named_with_the_way_out(tmp_path: Path, name: str, remedy: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    file.write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    with pytest.raises(
        RegistryError, match=f"database {file} is damaged .*Restore it from a backup, or move .*{remedy}"
    ):
        check_databases(settings_of(tmp_path), tmp_path / "dagster")
