"""Acknowledged durable predictions survive the process that made them."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.durability import prove
from parivision_core.prediction_log.sqlite import SqlitePredictionLog
from tests.helpers.processes import free_port, until
from tests.helpers.serving_process import is_ready, start
from tests.helpers.serving_setup import SHOT, ServingSetup, make_feature_state

LOCKED_ANSWERS = 15


@pytest.fixture
def prediction_log(serving: ServingSetup) -> Path:
    """Path of the prediction log of a service that can answer."""
    serving.promote(1)
    serving.feature_state(make_feature_state(1))
    return serving.settings.home / "prediction_log" / "nba.sqlite"


def ask(port: int, path: str, body: object, **query: str) -> dict[str, Any]:
    """The answer to a request. Raises httpx.HTTPError when there is none."""
    url = f"http://127.0.0.1:{port}/api/v1/predict{path}"
    answer: dict[str, Any] = httpx.post(url, json=body, params=query, timeout=60).raise_for_status().json()
    return answer


@pytest.mark.process
def test_every_acknowledged_prediction_survives_kills_under_load(serving: ServingSetup, prediction_log: Path) -> None:
    port = free_port()
    found = prove(
        lambda: start(serving.settings, port), port, lambda: SqlitePredictionLog(prediction_log), kills=2, seconds=0.4
    )
    assert found["missing"] == 0
    assert found["refused"] == 0
    assert all(found["acknowledged_by_round"])


@pytest.mark.process
def test_nothing_is_acknowledged_before_it_is_in_the_prediction_log(
    serving: ServingSetup, prediction_log: Path
) -> None:
    """While the test locks the prediction log, nothing can be committed, so no durable request may be answered."""
    port = free_port()
    process = start(serving.settings, port)
    try:
        until(lambda: is_ready(process, port))
        kept = [ask(port, "", SHOT | {"durable": True}), ask(port, "/bulk", [SHOT, SHOT], durable="true")]
        with closing(sqlite3.connect(prediction_log, isolation_level=None)) as lock, ThreadPoolExecutor(2) as threads:
            lock.execute("BEGIN IMMEDIATE")
            promises: list[Future[dict[str, Any]]] = [
                threads.submit(ask, port, "", SHOT | {"durable": True}),
                threads.submit(ask, port, "/bulk", [SHOT, SHOT], durable="true"),
            ]
            for _ in range(LOCKED_ANSWERS):  # other requests are answered meanwhile
                ask(port, "", SHOT)
                ask(port, "/bulk", [SHOT, SHOT])
            early = [promise for promise in promises if promise.done()]
            process.kill()
            assert early == []
            assert all(isinstance(promise.exception(), httpx.HTTPError) for promise in promises)
    finally:
        process.kill()
        process.communicate()
    names = {call.id for call in SqlitePredictionLog(prediction_log).calls(limit=10)}
    assert names == {answer["id"] for answer in kept}


@pytest.mark.process
def test_a_service_that_does_not_come_up_is_reported(tmp_path: Path) -> None:
    def start_nothing() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])

    with pytest.raises(RuntimeError, match="exit code 3"):
        prove(start_nothing, free_port(), lambda: SqlitePredictionLog(tmp_path / "prediction_log.sqlite"))
