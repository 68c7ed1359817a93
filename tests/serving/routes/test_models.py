"""GET /api/v1/models/{version}/report: the report has what training logged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from litestar.testing import TestClient

from parivision_assets.defs.training.assets import _track
from parivision_assets.steps.training.measuring import Measurement, measure
from parivision_core import scoring
from parivision_core.bundle import CARD
from parivision_core.nba.shots import NBA
from parivision_core.records import Verdict
from parivision_core.store import open_files
from parivision_core.store.base import Store
from parivision_core.tracking.registry import RegistryReader
from parivision_serving.routes.models import report_route
from tests.helpers.mlflow_runs import LoggedRun, RunsMlflow
from tests.helpers.serving_setup import make_bundle
from tests.helpers.small_app import client_of, operation, problem_of

REPORT = "/api/v1/models/1/report"


@pytest.fixture
def mlflow() -> Iterator[RunsMlflow]:
    made = RunsMlflow()
    yield made
    made.stop()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_files(tmp_path / "home", NBA)


@pytest.fixture
def client(mlflow: RunsMlflow, store: Store, tmp_path: Path) -> Iterator[TestClient[Any]]:
    registry = RegistryReader(f"http://user:secret@127.0.0.1:{mlflow.port}", NBA.registered_model, tmp_path / "cache")
    with client_of(report_route(registry, store)) as started:
        yield started
    registry.close()


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient[Any]]:
    """A client for requests that are refused before registry or store are read."""
    registry = RegistryReader("http://127.0.0.1:9", NBA.registered_model, Path())
    with client_of(report_route(registry, open_files(tmp_path_factory.mktemp("home"), NBA))) as started:
        yield started


def measured(seed: int) -> Measurement:
    """Scores of made-up answers to made-up shots."""
    rng = np.random.default_rng(seed)
    probability = rng.uniform(0.2, 0.8, 400)
    made = (rng.random(400) < probability).astype(int)
    return measure(made, probability, np.repeat(np.arange(40), 10))


def train(mlflow: RunsMlflow, folder: Path) -> Any:
    """Log a training as the pipeline does, and register its version; what was trained."""
    sets = {"validation": measured(1), "unseen": measured(2), "clicked spot": measured(3)}
    trained = SimpleNamespace(
        parameters={"model": "xgboost", "rounds": 155, "first_date": "2020-12-22"},
        measured=sets,
        candidates={"xgboost": sets["validation"].scores},
        windows=[SimpleNamespace(parts=("2022", "2023"), log_loss=0.64)],
        calibrators=[SimpleNamespace(family="platt", gain=-0.0001)],
        fitted=SimpleNamespace(name="xgboost", importance={"base_logit": 0.6, "kind_residual": 0.4}),
        reliability={name: one.reliability for name, one in sets.items() if name != "validation"},
        folder=folder / "bundle",
        window={"seen_until": "2023-04-01"},
    )
    run = LoggedRun("mlrun1")
    (folder / "bundle").mkdir(parents=True)
    _track(run, trained, b"a picture")
    mlflow.runs["mlrun1"] = run
    make_bundle(folder / "bundle", 1, parts=("2022", "2023"), calibrator={"family": "none"})
    mlflow.register(1, folder / "bundle")
    mlflow.tags[1] = {"parivision.status": "champion", "parivision.defects": ""}
    return trained


def test_what_training_logged_is_reported(
    mlflow: RunsMlflow, store: Store, client: TestClient[Any], tmp_path: Path
) -> None:
    trained = train(mlflow, tmp_path)
    mlflow.promote(1)
    verdict = Verdict(
        candidate=1,
        champion=None,
        epoch=0,
        decision="pass",
        reason="better",
        games=40,
        shots=5000,
        margin=0.001,
        level=0.95,
    )
    store.put_verdict(verdict)
    store.put_verdict(msgspec.structs.replace(verdict, candidate=2))
    answer = client.get(REPORT)
    assert answer.status_code == 200
    body, verdicts = answer.json()["registered"], answer.json()["verdicts"]
    assert verdicts == [msgspec.to_builtins(verdict)]
    assert (body["version"], body["champion"], body["status"], body["defects"]) == (1, True, "champion", "")
    assert body["sha256"] == mlflow.sha256[1]
    assert (
        body["run_page"] == f"http://127.0.0.1:{mlflow.port}/#/experiments/1/runs/mlrun1?workflowType=machine_learning"
    )
    assert "secret" not in answer.text
    assert body["parameters"] == {"model": "xgboost", "rounds": "155", "first_date": "2020-12-22"}
    assert body["bundle"]["provenance"]["seen_until"] == "2023-04-01"
    assert (body["bundle"]["parts"], body["bundle"]["calibrator"]) == (["2022", "2023"], {"family": "none"})
    assert list(body["importance"].items()) == [("base_logit", 0.6), ("kind_residual", 0.4)]
    assert set(body["measured"]) == {"validation", "unseen", "clicked_spot"}
    for name, one in trained.measured.items():
        found = body["measured"][name.replace(" ", "_")]
        assert found["shots"] == one.scores.rows
        assert set(found["scores"]) == set(scoring.Scores.__struct_fields__) - {"rows"}
        for measure_name, score in found["scores"].items():
            assert score["value"] == getattr(one.scores, measure_name)
            assert (score["low"], score["high"]) == one.intervals.get(measure_name, (None, None))
        curve = trained.reliability.get(name, [])
        assert [b["count"] for b in found["reliability"]] == [b.count for b in curve]
        assert [b["predicted"] for b in found["reliability"]] == pytest.approx([b.predicted for b in curve], abs=6e-4)
        assert [b["observed"] for b in found["reliability"]] == pytest.approx([b.observed for b in curve], abs=6e-4)
    assert set(body["choices"]) == {"tried_xgboost_masked_log_loss", "window_2_log_loss", "calibrator_platt_gain"}


def test_a_version_whose_run_and_bundle_are_gone_still_has_a_report(
    mlflow: RunsMlflow, client: TestClient[Any], tmp_path: Path
) -> None:
    train(mlflow, tmp_path)
    mlflow.runs.clear()
    (mlflow.versions[1] / CARD).unlink()
    body = client.get(REPORT).json()["registered"]
    assert body["bundle"] is None
    assert (body["champion"], body["run_page"], body["parameters"], body["measured"]) == (False, None, {}, {})


def test_scores_that_are_not_numbers_are_left_out(mlflow: RunsMlflow, client: TestClient[Any], tmp_path: Path) -> None:
    train(mlflow, tmp_path)
    mlflow.runs["mlrun1"].metrics["unseen_auc"] = float("nan")
    assert "auc" not in client.get(REPORT).json()["registered"]["measured"]["unseen"]["scores"]


def test_an_unknown_version_is_not_found(mlflow: RunsMlflow, client: TestClient[Any], tmp_path: Path) -> None:
    detail = problem_of(client.get(REPORT), 404)
    assert "has no version 1 in the registry" in detail
    train(mlflow, tmp_path)
    assert "has no version 2 " in problem_of(client.get("/api/v1/models/2/report"), 404)


@pytest.mark.parametrize("version", ["0", "-1", str(2**31), str(10**30)])
def test_a_number_that_names_no_version_is_refused(refusing: TestClient[Any], version: str) -> None:
    problem_of(refusing.get(f"/api/v1/models/{version}/report"), 422, "version")


@pytest.mark.parametrize("version", ["one", "1.5", "1e3"])
def test_a_version_that_is_no_number_is_not_found(refusing: TestClient[Any], version: str) -> None:
    problem_of(refusing.get(f"/api/v1/models/{version}/report"), 404)


def test_a_registry_that_is_down_or_broken_is_reported(
    mlflow: RunsMlflow, client: TestClient[Any], tmp_path: Path
) -> None:
    train(mlflow, tmp_path)
    mlflow.broken = True
    assert "is not an MLflow server" in problem_of(client.get(REPORT), 503)
    mlflow.broken = False
    assert problem_of(client.get(REPORT), 503), "an error is cached, too"
    mlflow.stop()
    answer = client.get("/api/v1/models/2/report")
    assert "is the MLflow server running?" in problem_of(answer, 503)
    assert answer.json()["type"] == "urn:parivision:problem:registry-unavailable"
    assert answer.headers["retry-after"]
    assert "secret" not in answer.text
    mlflow.start(mlflow.port)


def test_the_report_is_cached(mlflow: RunsMlflow, client: TestClient[Any], tmp_path: Path) -> None:
    train(mlflow, tmp_path)
    body = [client.get(REPORT).json() for _ in range(4)]
    assert body[1:] == body[:-1]
    assert mlflow.paths.count("/api/2.0/mlflow/runs/get") == 1


def test_openapi_documents_the_report(refusing: TestClient[Any]) -> None:
    body = operation(refusing, "get", "/api/v1/models/{version}/report")
    assert {"200", "404", "422", "500", "503"} <= set(body["responses"])
