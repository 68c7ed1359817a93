"""While the registry is down, at the start or later, the service keeps its champion."""

from __future__ import annotations

import shutil
import socket
from dataclasses import replace
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient

from parivision_core.bundle import GRAPH
from parivision_core.records import FeatureStateRecord
from tests.helpers.processes import until
from tests.helpers.serving_setup import SHOT, ServingSetup, answer_to, make_feature_state, serves

DOWN = "doesn't answer"


def served_once(serving: ServingSetup) -> FeatureStateRecord:
    """Serve a first champion until the service has it in its cache; returns the feature state beside it."""
    serving.promote(1)
    record = serving.feature_state(make_feature_state(1))
    with serving.client() as client:
        until(serves(client, 1, record.stamp))
    return record


def test_started_without_a_registry_it_serves_the_last_champion(serving: ServingSetup) -> None:
    record = served_once(serving)
    serving.mlflow.stop()
    with serving.client() as client:
        until(serves(client, 1, record.stamp))
        body = client.get("/api/v1/champion").json()
        assert (
            DOWN in body["reload_problem"]
            and "Version 1, the last one that was served, stays in service" in body["reload_problem"]
        )
        assert body["sha256"] == serving.bundles[1].sha256
        assert client.post("/api/v1/predict", json=SHOT).status_code == 200
        # The feature state moves on without the registry.
        newer = serving.feature_state(make_feature_state(2))
        until(serves(client, 1, newer.stamp))
        # Once the registry is back, so does the champion.
        serving.mlflow.start(serving.mlflow.port)
        serving.promote(2)
        until(serves(client, 2, newer.stamp))
        until(lambda: client.get("/api/v1/champion").json()["reload_problem"] is None)


def test_started_without_a_registry_and_a_last_champion_it_says_so(serving: ServingSetup) -> None:
    serving.mlflow.stop()
    with serving.client() as client:
        until(lambda: DOWN in client.get("/health/ready").text)
        answer = client.post("/api/v1/predict", json=SHOT)
        assert answer.status_code == 503
        assert "is the MLflow server running?" in answer.json()["detail"]
        serving.promote(1)
        record = serving.feature_state(make_feature_state(1))
        serving.mlflow.start(serving.mlflow.port)
        until(serves(client, 1, record.stamp))


def test_a_start_with_a_damaged_champion_serves_the_last_one(serving: ServingSetup) -> None:
    """The version before it stays in service, and the problem is reported until the champion is repaired."""
    record = served_once(serving)
    serving.register(2)
    graph = serving.mlflow.versions[2] / GRAPH
    sound = graph.read_bytes()
    graph.write_bytes(sound[:-1] + b" ")
    serving.promote(2)
    for _ in range(2):  # a second start does the same
        with serving.client() as client:
            until(serves(client, 1, record.stamp))
            problem = client.get("/api/v1/champion").json()["reload_problem"]
            assert "model.onnx was altered" in problem and "Version 1 stays in service" in problem
            assert client.get("/health/ready").status_code == 200
    graph.write_bytes(sound)
    with serving.client() as client:
        until(serves(client, 2, record.stamp))
        until(lambda: client.get("/api/v1/champion").json()["reload_problem"] is None)


def test_a_damaged_cache_is_not_served(serving: ServingSetup, caplog: pytest.LogCaptureFixture) -> None:
    served_once(serving)
    (graph,) = serving.settings.cache.rglob("model.onnx")
    graph.write_bytes(graph.read_bytes() + b" ")
    serving.mlflow.broken = True
    with serving.client() as client:
        until(lambda: "the model registry answers 500 to" in client.get("/health/ready").text)
        assert client.post("/api/v1/predict", json=SHOT).status_code == 503
    assert f"a bundle in the cache is damaged, and downloaded again: {graph} was altered" in caplog.text


def test_a_damaged_note_of_the_last_champion_is_named(serving: ServingSetup, caplog: pytest.LogCaptureFixture) -> None:
    served_once(serving)
    (note,) = serving.settings.cache.rglob("champion.json")
    note.write_bytes(note.read_bytes()[:-9])
    serving.mlflow.stop()
    with serving.client() as client:
        until(lambda: DOWN in client.get("/health/ready").text)
    assert f"which champion was served last can't be read from {note}: " in caplog.text


@pytest.mark.parametrize("how", ["gone", "broken"])
def test_a_registry_that_goes_down_changes_no_answer(serving: ServingSetup, client: TestClient[Any], how: str) -> None:
    before = answer_to(client)
    if how == "gone":
        serving.mlflow.stop()
    else:
        serving.mlflow.broken = True
    until(lambda: client.get("/api/v1/champion").json()["reload_problem"])
    assert client.get("/health/ready").status_code == 200
    assert answer_to(client) == before
    # Not even the cache is needed while the pair is in memory; the feature state moves on.
    shutil.rmtree(serving.settings.cache)
    newer = serving.feature_state(make_feature_state(2))
    until(serves(client, 1, newer.stamp))
    if how == "gone":
        serving.mlflow.start(serving.mlflow.port)
    serving.mlflow.broken = False
    until(lambda: client.get("/api/v1/champion").json()["reload_problem"] is None)


def test_a_restart_answers_its_first_request(serving: ServingSetup) -> None:
    serving.promote(1)
    serving.feature_state(make_feature_state(1))
    with serving.client() as client:
        assert client.post("/api/v1/predict", json=SHOT).status_code == 200


def test_a_registry_that_hangs_does_not_hold_up_the_start(
    serving: ServingSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parivision_serving.app.FIRST_LOOK_SECONDS", 0.05)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr("parivision_core.tracking.http.httpx.Client", with_timeout(1.0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        serving.settings = replace(serving.settings, registry_url=url)
        with serving.client() as client:
            answer = client.get("/health/ready")
            assert answer.status_code == 503
            assert "still looking" in answer.json()["detail"]
            assert client.get("/health/live").status_code == 200
            until(lambda: DOWN in client.get("/health/ready").text)


def with_timeout(seconds: float) -> Any:
    """A client of httpx with a timeout short enough for a test."""
    original = httpx.Client
    return lambda base_url, timeout: original(base_url=base_url, timeout=min(timeout, seconds))
