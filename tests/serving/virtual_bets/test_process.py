"""The service as a process: light imports, answers, an end on a signal, a restart, a failed start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pandas as pd
import pytest

from tests.helpers import shots
from tests.helpers.paths import ROOT
from tests.helpers.processes import free_port, until

MODULE = "parivision_serving.virtual_bets"
GRACE = 20
DAYS = 6
"""Of each season in the file."""


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


@pytest.fixture(scope="module")
def season_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two seasons of a few days: a process that serves them starts faster than one that plays a league."""
    seasons = [shots.season(games=4 * DAYS, shots=10, seed=i, start=f"202{i}-10-18") for i in (1, 2)]
    file = tmp_path_factory.mktemp("season") / "shots.csv"
    return str(shots.write(shots.as_kaggle(pd.concat(seasons, ignore_index=True)), file))


@pytest.mark.process
@pytest.mark.parametrize("source", ["file", pytest.param("simulated league", marks=pytest.mark.slow)])
def test_it_goes_on_after_a_signal_and_after_a_kill(tmp_path: Path, season_file: str, source: str) -> None:
    chosen = {"VIRTUAL_BETS_FILE": season_file} if source == "file" else {"VIRTUAL_BETS_SEED": "5"}
    # Ten days a second.
    with running(tmp_path, VIRTUAL_BETS_SPEED="600", **chosen) as (process, client):
        first = client.get("/batches?limit=1").json()
        taken = client.get("/getdata/3").json()
        more = max(DAYS, first["newest"]) + 2
        expected = min(more, 2 * DAYS) if source == "file" else more  # a slow start may find the file at its end
        until(lambda: client.get("/status").json()["batches"] >= expected)
        newest = client.get("/status").json()["batches"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(GRACE) in (0, -signal.SIGTERM)
    with running(tmp_path, VIRTUAL_BETS_SPEED="0", **chosen) as (process, client):
        status = client.get("/status").json()
        assert status["batches"] >= newest
        assert status["counter"] == 3
        assert client.get("/batches?limit=1").json()["batches"] == first["batches"]
        taken += client.get("/getdata/2").json()
        process.kill()
        process.wait()
    with running(tmp_path, VIRTUAL_BETS_SPEED="0", **chosen) as (process, client):
        assert client.get("/status").json() == status | {"counter": 5, "documents_served": 5}
        client.get("/reset")
        assert client.get("/getdata/5").json() == taken


@pytest.mark.process
def test_the_loop_answers_while_a_season_is_played(tmp_path: Path) -> None:
    with running(tmp_path, VIRTUAL_BETS_SPEED="0") as (_, client), ThreadPoolExecutor(1) as pool:
        listing = pool.submit(httpx.get, f"{client.base_url}/batches?limit=10", timeout=30)
        began = at = time.perf_counter()
        gaps = []
        while not listing.done():
            assert client.get("/health/live").status_code == 200
            gaps.append(time.perf_counter() - at)
            at += gaps[-1]
        assert len(listing.result().json()["batches"]) == 10
        # A loop that is blocked while the season is played would answer once, after the listing.
        assert max(gaps) < (at - began) / 2


@pytest.mark.process
@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"VIRTUAL_BETS_SCENARIO": "chaos"}, "VIRTUAL_BETS_SCENARIO='chaos' is unknown"),
        ({"VIRTUAL_BETS_FILE": "/nowhere.csv"}, "VIRTUAL_BETS_FILE='/nowhere.csv' is no file"),
    ],
)
def test_a_failed_start_is_reported_in_one_line(tmp_path: Path, env: dict[str, str], expected: str) -> None:
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
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.process
def test_it_imports_nothing_heavy_and_leaves_the_prediction_service_alone() -> None:
    """The two share problem answers, the server's start and small parts of routes; models belong to one of them."""
    others = ["onnxruntime", "parivision_core.bundle", "parivision_core.tracking.registry", "parivision_core.store"]
    others += [
        "parivision_serving.prediction.schemas",
        "parivision_serving.prediction.champion",
        "parivision_serving.web.body",
    ]
    code = f"""
import sys
import {MODULE}.__main__
print([name for name in {others} if name in sys.modules])
from {MODULE}.nba.simulator import Simulator
from {MODULE}.scenarios import Scenario
source = Simulator(1, Scenario.CALM)
source.documents(0, source.plan(0).offers[0])
heavy = {{"dagster", "gradio", "mlflow", "pandas", "pyarrow", "scipy", "sklearn", "xgboost"}}
print(sorted({{name.split(".")[0] for name in sys.modules}} & heavy))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split("\n") == ["[]", "[]", ""]
