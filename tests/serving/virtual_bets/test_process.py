"""The service as a process: starts light, answers, ends on a signal, goes on where it was, names what is wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.helpers.paths import ROOT
from tests.helpers.processes import free_port, until

MODULE = "parivision_serving.virtual_bets"
GRACE = 20


@contextmanager
def running(home: Path, **env: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """The service on a free port, killed at the end if it still runs."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", MODULE],
        env=os.environ | {"PARIVISION_HOME": str(home), "PARIVISION_FEED_PORT": str(port)} | env,
        cwd=ROOT,
        text=True,
        stderr=subprocess.PIPE,
    )
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20)

    def alive() -> bool:
        try:
            return client.get("/health/live").status_code == 200
        except httpx.TransportError:
            assert process.poll() is None, process.stderr and process.stderr.read()
            return False

    try:
        until(alive)
        yield process, client
    finally:
        client.close()
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_it_goes_on_after_a_signal_and_after_a_kill(tmp_path: Path) -> None:
    # A day a second.
    with running(tmp_path, VIRTUAL_BETS_SPEED="60", VIRTUAL_BETS_SEED="5") as (process, client):
        first = client.get("/batches?limit=1").json()
        taken = client.get("/getdata/3").json()
        until(lambda: client.get("/status").json()["batches"] > first["newest"] + 1)
        newest = client.get("/status").json()["batches"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(GRACE) in (0, -signal.SIGTERM)
    with running(tmp_path, VIRTUAL_BETS_SPEED="0", VIRTUAL_BETS_SEED="5") as (process, client):
        told = client.get("/status").json()
        assert told["batches"] >= newest
        assert told["counter"] == 3
        assert client.get("/batches?limit=1").json()["batches"] == first["batches"]
        taken += client.get("/getdata/2").json()
        process.kill()
        process.wait()
    with running(tmp_path, VIRTUAL_BETS_SPEED="0", VIRTUAL_BETS_SEED="5") as (process, client):
        assert client.get("/status").json() == told | {"counter": 5, "documents_served": 5}
        client.get("/reset")
        assert client.get("/getdata/5").json() == taken


def test_the_loop_answers_while_a_season_is_played(tmp_path: Path) -> None:
    with running(tmp_path, VIRTUAL_BETS_SPEED="0") as (_, client), httpx.Client(base_url=client.base_url) as other:
        other.get("/health/live")
        with httpx.Client(base_url=client.base_url, timeout=30) as heavy:
            worker = threading.Thread(target=lambda: heavy.get("/batches?limit=500"))
            worker.start()
            slowest = 0.0
            while worker.is_alive():
                start = time.perf_counter()
                assert other.get("/health/live").status_code == 200
                slowest = max(slowest, time.perf_counter() - start)
            worker.join()
        assert slowest < 1.0


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"VIRTUAL_BETS_SCENARIO": "chaos"}, "VIRTUAL_BETS_SCENARIO='chaos' is unknown"),
        ({"VIRTUAL_BETS_FILE": "/nowhere.csv"}, "VIRTUAL_BETS_FILE='/nowhere.csv' is no file"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(tmp_path: Path, env: dict[str, str], told: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", MODULE],
        env=os.environ | {"PARIVISION_HOME": str(tmp_path)} | env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("parivision_serving.virtual_bets can't start: ")
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_it_leaves_the_other_service_alone() -> None:
    """The two share problems, a runner and small parts of routes; models and what is told of them belong to one."""
    others = ["onnxruntime", "parivision_core.bundle", "parivision_core.tracking.registry", "parivision_core.store"]
    others += [
        "parivision_serving.prediction.schemas",
        "parivision_serving.prediction.champion",
        "parivision_serving.web.body",
    ]
    code = f"import sys, {MODULE}.__main__; print([m for m in {others} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_it_imports_nothing_heavy() -> None:
    code = f"""
import sys
import {MODULE}.__main__
from {MODULE}.nba.simulator import Simulator
from {MODULE}.scenarios import Scenario
source = Simulator(1, Scenario.CALM)
source.documents(0, source.plan(0).offers[0])
heavy = {{"dagster", "gradio", "mlflow", "pandas", "pyarrow", "scipy", "sklearn", "xgboost"}}
print(",".join(sorted({{n.split(".")[0] for n in sys.modules}} & heavy)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == ""
