"""A registry that is down, at the start or later, takes no champion from the service."""

from __future__ import annotations

import shutil
import socket
from dataclasses import replace
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient

from parivision_core.bundle import GRAPH
from tests.helpers.serving_world import SHOT, World, make_feature_state, serves, told, until

DOWN = "doesn't answer"


def test_started_without_a_registry_it_serves_what_it_remembers(world: World) -> None:
    world.promote(1)
    record = world.feature_state(make_feature_state(1))
    with world.client() as client:
        until(serves(client, 1, record.stamp))
    world.mlflow.stop()
    with world.client() as client:
        until(serves(client, 1, record.stamp))
        told = client.get("/api/v1/champion").json()
        assert DOWN in told["reload_problem"] and "version 1 is served as remembered" in told["reload_problem"]
        assert told["sha256"] == world.bundles[1].sha256
        assert client.post("/api/v1/predict", json=SHOT).status_code == 200
        # The feature state moves on without the registry.
        newer = world.feature_state(make_feature_state(2))
        until(serves(client, 1, newer.stamp))
        # And once the registry is back, the champion does too.
        world.mlflow.start(world.mlflow.port)
        world.promote(2)
        until(serves(client, 2, newer.stamp))
        until(lambda: client.get("/api/v1/champion").json()["reload_problem"] is None)


def test_started_without_a_registry_and_memory_it_says_so(world: World) -> None:
    world.mlflow.stop()
    with world.client() as client:
        until(lambda: DOWN in client.get("/health/ready").text)
        answer = client.post("/api/v1/predict", json=SHOT)
        assert answer.status_code == 503
        assert "is the MLflow server running?" in answer.json()["detail"]
        world.promote(1)
        record = world.feature_state(make_feature_state(1))
        world.mlflow.start(world.mlflow.port)
        until(serves(client, 1, record.stamp))


def test_a_damaged_champion_takes_nothing_from_a_start(world: World) -> None:
    """What was served before it is served on, and the problem is told until the champion is mended."""
    world.promote(1)
    record = world.feature_state(make_feature_state(1))
    with world.client() as client:
        until(serves(client, 1, record.stamp))
    world.register(2)
    graph = world.mlflow.versions[2] / GRAPH
    sound = graph.read_bytes()
    graph.write_bytes(sound[:-1] + b" ")
    world.promote(2)
    for _ in range(2):  # a second start remembers as the first did
        with world.client() as client:
            until(serves(client, 1, record.stamp))
            problem = client.get("/api/v1/champion").json()["reload_problem"]
            assert "model.onnx was altered" in problem and "Version 1 stays in service" in problem
            assert client.get("/health/ready").status_code == 200
    graph.write_bytes(sound)
    with world.client() as client:
        until(serves(client, 2, record.stamp))
        until(lambda: client.get("/api/v1/champion").json()["reload_problem"] is None)


def test_a_damaged_cache_is_not_served(world: World) -> None:
    world.promote(1)
    record = world.feature_state(make_feature_state(1))
    with world.client() as client:
        until(serves(client, 1, record.stamp))
    (graph,) = world.settings.cache.rglob("model.onnx")
    graph.write_bytes(graph.read_bytes() + b" ")
    world.mlflow.broken = True
    with world.client() as client:
        until(lambda: "the model registry answers 500 to" in client.get("/health/ready").text)
        assert client.post("/api/v1/predict", json=SHOT).status_code == 503


@pytest.mark.parametrize("how", ["gone", "broken"])
def test_a_registry_that_goes_down_changes_no_answer(world: World, client: TestClient[Any], how: str) -> None:
    before = told(client)
    if how == "gone":
        world.mlflow.stop()
    else:
        world.mlflow.broken = True
    until(lambda: client.get("/api/v1/champion").json()["reload_problem"])
    assert client.get("/health/ready").status_code == 200
    assert told(client) == before
    # Not even the cache is needed while the pair is in memory; the feature state moves on.
    shutil.rmtree(world.settings.cache)
    newer = world.feature_state(make_feature_state(2))
    until(serves(client, 1, newer.stamp))
    if how == "gone":
        world.mlflow.start(world.mlflow.port)
    world.mlflow.broken = False
    until(lambda: client.get("/api/v1/champion").json()["reload_problem"] is None)


def test_a_restart_answers_its_first_request(world: World) -> None:
    world.promote(1)
    world.feature_state(make_feature_state(1))
    with world.client() as client:
        assert client.post("/api/v1/predict", json=SHOT).status_code == 200


def test_a_registry_that_hangs_does_not_hold_up_the_start(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parivision_serving.app.FIRST_LOOK_SECONDS", 0.05)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr("parivision_core.tracking.http.httpx.Client", with_timeout(1.0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        world.settings = replace(world.settings, registry_url=url)
        with world.client() as client:
            answer = client.get("/health/ready")
            assert answer.status_code == 503
            assert "still looking" in answer.json()["detail"]
            assert client.get("/health/live").status_code == 200
            until(lambda: DOWN in client.get("/health/ready").text)


def with_timeout(seconds: float) -> Any:
    """A client of httpx with a timeout short enough for a test."""
    original = httpx.Client
    return lambda base_url, timeout: original(base_url=base_url, timeout=min(timeout, seconds))
