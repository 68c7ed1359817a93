"""The metrics for Prometheus: right counts of one worker and of several, with few labels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import TestClient
from prometheus_client import Histogram

from parivision_serving.web.metrics import CONTENT_TYPE, BulkHistogram, Metrics
from tests.helpers.metrics import values
from tests.helpers.processes import until
from tests.helpers.serving_setup import SHOT, ServingSetup


def scraped(client: TestClient[Any]) -> dict[str, float]:
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == CONTENT_TYPE
    return values(answer.text)


def test_requests_and_predictions_are_counted(shared_client: TestClient[Any]) -> None:
    before = scraped(shared_client)
    answers = [shared_client.post("/api/v1/predict", json=SHOT | {"y": y}) for y in (10, 100, 250)]
    shared_client.post("/api/v1/predict", json={})
    for path in ("/nowhere", "/else/where"):
        shared_client.get(path)
    after = scraped(shared_client)

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0.0)

    route = 'method="POST",route="/api/v1/predict"'
    assert grown(f'parivision_request_seconds_count{{{route},status="200"}}') == 3
    assert grown(f'parivision_request_seconds_count{{{route},status="422"}}') == 1
    assert grown('parivision_request_seconds_count{method="GET",route="none",status="404"}') == 2
    assert grown('parivision_predictions_total{version="1"}') == 3
    assert grown("inference_time_seconds_count") == 3
    assert grown("parivision_probability_count") == 3
    total = sum(answer.json()["probability"] for answer in answers)
    assert abs(grown("parivision_probability_sum") - total) < 1e-9
    assert not any("nowhere" in name for name in after)


def test_the_champion_and_the_prediction_log_are_reported(shared_client: TestClient[Any]) -> None:
    shared_client.post("/api/v1/predict", json=SHOT)
    until(lambda: scraped(shared_client)["parivision_prediction_log_written_total"] >= 1)
    now = scraped(shared_client)
    assert now["parivision_ready"] == now["parivision_champion_version"] == now["parivision_champion_epoch"] == 1
    assert now["parivision_feature_state_shots"] == 400
    assert now["parivision_reload_problem"] == now["parivision_prediction_log_dropped_total"] == 0
    assert now["parivision_champion_age_seconds"] > 0


def test_a_reload_failure_is_counted_once(serving: ServingSetup, client: TestClient[Any]) -> None:
    serving.mlflow.broken = True
    until(lambda: scraped(client)["parivision_reload_problem"] == 1)
    until(lambda: scraped(client)["parivision_reload_failures_total"] == 1)


@given(st.lists(st.floats(0, 1), max_size=60))
def test_many_observations_count_like_single_ones(chances: list[float]) -> None:
    buckets = (0.25, 0.5, 0.75)
    one = Histogram("one", "", buckets=buckets, registry=None)
    many = BulkHistogram("one", "", buckets=buckets, registry=None)
    for chance in chances:
        one.observe(chance)
    many.observe_many(np.array(chances))
    counts = [[s.value for s in metric.collect()[0].samples if s.name != "one_created"] for metric in (one, many)]
    np.testing.assert_allclose(counts[0], counts[1], atol=1e-9)


def test_refused_rows_are_not_counted_as_predictions() -> None:
    metrics = Metrics()
    metrics.predicted_many(3, np.array([0.2, np.nan, 0.8]), 0.01)
    body = values(metrics.exposition().decode())
    assert body['parivision_predictions_total{version="3"}'] == 2
    assert body["parivision_probability_sum"] == 1.0


WORKER = """
import sys
from parivision_serving.web.metrics import Metrics
metrics = Metrics()
for _ in range(int(sys.argv[1])):
    metrics.predicted(7, 0.5, 0.001)
metrics.prediction_log_depth.set(int(sys.argv[1]))
print(metrics.exposition().decode(), flush=True)
sys.stdin.read()
"""


@pytest.mark.process
def test_workers_add_up_and_dead_ones_leave_the_gauges(tmp_path: Path) -> None:
    environ = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def work(count: int) -> tuple[subprocess.Popen[str], dict[str, float]]:
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(count)], env=environ, text=True, stdin=-1, stdout=-1
        )
        assert worker.stdout is not None
        lines: list[str] = []
        while not (
            (lines and "prediction_log_depth{" in lines[-1])
            or (lines and lines[-1].startswith("parivision_prediction_log_depth"))
        ):
            lines.append(worker.stdout.readline())
            assert worker.poll() is None
        return worker, values("".join(lines))

    first, _ = work(2)
    second, body = work(3)
    assert body["parivision_prediction_log_depth"] == 5
    first.communicate("")
    third, body = work(4)
    assert body["parivision_prediction_log_depth"] == 7
    for worker in (second, third):
        worker.communicate("")
