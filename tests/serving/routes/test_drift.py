"""GET /api/v1/drift: the drift reports that the pipeline logged, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from parivision_assets.defs.monitoring.assets import PAGE as WRITTEN
from parivision_assets.defs.monitoring.assets import _track
from parivision_assets.steps.monitoring.columns import report_columns
from parivision_assets.steps.monitoring.drift import ColumnDrift, ComparedWindow, Drift
from parivision_core.nba.shots import NBA
from parivision_core.tracking.drift_reports import PAGE
from parivision_core.tracking.registry import RegistryReader
from parivision_serving.routes.drift import drift_route
from tests.helpers.mlflow_runs import LoggedRun, RunsMlflow
from tests.helpers.small_app import client_of, operation, problem_of

DRIFT = "/api/v1/drift"


@pytest.fixture
def mlflow() -> Iterator[RunsMlflow]:
    made = RunsMlflow()
    yield made
    made.stop()


@pytest.fixture
def client(mlflow: RunsMlflow, tmp_path: Path) -> Iterator[TestClient[Any]]:
    registry = RegistryReader(f"http://127.0.0.1:{mlflow.port}", NBA.registered_model, tmp_path)
    with client_of(drift_route(registry)) as started:
        yield started
    registry.close()


@pytest.fixture(scope="module")
def refusing() -> Iterator[TestClient[Any]]:
    """A client for requests that are refused before the registry is read."""
    with client_of(drift_route(RegistryReader("http://127.0.0.1:9", NBA.registered_model, Path()))) as started:
        yield started


def report(number: int, factor: float) -> tuple[Drift, LoggedRun]:
    """A drift report in which every column moved by `factor` thresholds, and the run that it was logged into."""
    columns = [ColumnDrift(c, factor * (i + 1) / 100, (i + 1) / 100, "", "") for i, c in enumerate(report_columns(NBA))]
    drift = Drift(
        reference=ComparedWindow("2022-10-18", "2023-03-01", 900, 160_000),
        newest=ComparedWindow("2023-03-02", f"2023-03-{10 + number}", 90, 15_900),
        columns=columns,
        log_loss=0.64,
        expected_log_loss=0.65,
        html="<p>moved</p>",
    )
    run = LoggedRun(f"run{number}", experiment_id="7", ended_at=1_700_000_000_000 + number)
    _track(run, 3, drift)
    return drift, run


def test_what_was_logged_is_reported_newest_first(mlflow: RunsMlflow, client: TestClient[Any]) -> None:
    (calm, older), (moved, newer) = report(1, 0.5), report(2, 1.5)
    killed = LoggedRun("run3", status="KILLED")
    mlflow.drift = [killed, newer, older]
    new, old = client.get(DRIFT).json()
    assert (new["run_id"], old["run_id"], new["reported_at"]) == ("run2", "run1", 1_700_000_000_002)
    assert (new["champion"], new["drifted"], old["drifted"]) == (3, True, False)
    assert new["training"] == {"first_date": "2022-10-18", "last_date": "2023-03-01", "games": 900, "shots": 160_000}
    assert new["newest"] == {"first_date": "2023-03-02", "last_date": "2023-03-12", "games": 90, "shots": 15_900}
    assert (new["log_loss"], new["expected_log_loss"]) == (0.64, 0.65)
    body = {column["name"]: column for column in new["columns"]}
    assert len(body) == len(moved.columns)
    for drifted in moved.columns:
        column = body[drifted.column.name]
        assert (column["distance"], column["threshold"]) == (drifted.distance, drifted.threshold)
        assert column["beyond"] is drifted.drifted is True
        assert column["alarms"] is drifted.column.watched
    assert not calm.drifted and not any(column["beyond"] or column["alarms"] for column in old["columns"])
    assert PAGE == WRITTEN and newer.files[PAGE] == b"<p>moved</p>"
    assert (
        new["page"]
        == f"http://127.0.0.1:{mlflow.port}/#/experiments/7/runs/run2/artifacts/{PAGE}?workflowType=machine_learning"
    )
    assert [r["run_id"] for r in client.get(DRIFT, params={"limit": 1}).json()] == ["run2"]


def test_without_reports_the_list_is_empty(mlflow: RunsMlflow, client: TestClient[Any]) -> None:
    assert client.get(DRIFT).json() == []
    mlflow.drift = []
    assert client.get(DRIFT, params={"limit": 2}).json() == []


@pytest.mark.parametrize("limit", ["0", "101", "many", ""])
def test_an_absurd_limit_is_refused(refusing: TestClient[Any], limit: str) -> None:
    problem_of(refusing.get(f"{DRIFT}?limit={limit}"), 422, "limit")


def test_unknown_and_repeated_parameters_are_refused(refusing: TestClient[Any]) -> None:
    problem_of(refusing.get(f"{DRIFT}?limt=1"), 422, "limt")
    problem_of(refusing.get(f"{DRIFT}?limit=1&limit=2"), 422, "limit")


def test_a_foreign_run_and_a_registry_that_is_down_are_reported(mlflow: RunsMlflow, client: TestClient[Any]) -> None:
    mlflow.drift = [LoggedRun("strange")]
    detail = problem_of(client.get(DRIFT), 503)
    assert "holds a run that is no drift report" in detail and "drifted_columns" in detail
    mlflow.stop()
    assert "is the MLflow server running?" in problem_of(client.get(DRIFT, params={"limit": 3}), 503)
    mlflow.start(mlflow.port)
    operation(client, "get", DRIFT)
