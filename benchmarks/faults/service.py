"""A running prediction service over a small champion and a registry of few lines, and callers that keep it busy."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.faults import shared
from benchmarks.running_platform import ROOT
from parivision_core.prediction_log.sqlite import SqlitePredictionLog
from tests.helpers.processes import PATIENCE, free_port, until
from tests.helpers.serving_setup import SHOT, ServingSetup, make_feature_state, make_setup

CALLERS = 4
ENOUGH = 30
"""Answers that a busy service must give while something is wrong with other requests, and after it."""
PATH = "/api/v1/predict"
BODY = json.dumps(SHOT | {"durable": True})
JSON = {"content-type": "application/json"}
IMPATIENT = """
import runpy
from parivision_serving.web import connections, requests
connections.HEADER_SECONDS = requests.BODY_SECONDS = 0.5
runpy.run_module("parivision_serving", run_name="__main__")
"""
"""The service, which waits for slow callers half a second in place of 10 and 60."""


@shared.once
def setup() -> ServingSetup:
    """A champion, two more versions and a feature state; all services read them, and share a prediction log."""
    made = make_setup(shared.scratch() / "serving")
    for version in (1, 2):
        made.register(version)
    made.promote(1)
    made.feature_state(make_feature_state(1))
    shared.until_the_end().callback(made.mlflow.stop)
    return made


class Service:
    """A process, or several workers."""

    def __init__(self, workers: int = 1) -> None:
        self.port = free_port()
        self.log = shared.scratch() / f"service-{self.port}.log"
        command = ["-c", IMPATIENT] if workers == 1 else ["-m", "parivision_serving"]
        given = {
            "PYTHONPATH": str(ROOT),
            "PARIVISION_HOME": str(setup().settings.home),
            "PARIVISION_REGISTRY_URL": setup().settings.registry_url,
            "PARIVISION_API_PORT": str(self.port),
            "PARIVISION_API_WORKERS": str(workers),
            "PARIVISION_API_RATE": "0",
            "PARIVISION_CHAMPION_POLL_SECONDS": "0.05",
            "OMP_NUM_THREADS": "1",
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PARIVISION_", "MLFLOW_"))}
        with self.log.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env=kept | given, stderr=out, start_new_session=True
            )
        until(self.is_ready, "the service")

    def is_ready(self) -> bool:
        """Whether predictions are answered; fails when the process has ended."""
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.ask("GET", "/health/ready")[0] == 200
        except OSError:
            return False

    def ask(self, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
        """Status and JSON of one request over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, JSON)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    @property
    def said(self) -> str:
        """What it has logged."""
        return self.log.read_text()

    def end(self) -> None:
        """Kill it with its workers."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextmanager
def running(workers: int = 1) -> Iterator[Service]:
    """A service for one fault."""
    service = Service(workers)
    try:
        yield service
    finally:
        service.end()


@shared.once
def common() -> Service:
    """The service that many faults share."""
    service = Service()
    shared.until_the_end().callback(service.end)
    return service


class Callers:
    """Callers that request durable predictions over connections that they keep, until the block ends."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._over = threading.Event()
        self.ids: list[str] = []
        self.versions: list[int] = []
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(CALLERS)]

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        self.go_on()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def go_on(self, answers: int = ENOUGH) -> None:
        """Wait for some more answers, or failures."""
        enough = self.done + answers
        until(lambda: self.done >= enough, "answers")

    @property
    def done(self) -> int:
        """Requests that have ended, one way or the other."""
        return len(self.ids) + len(self.failures)

    def _call(self) -> None:
        while not self._over.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
            try:
                while not self._over.is_set():
                    connection.request("POST", PATH, BODY, JSON)
                    answer = connection.getresponse()
                    found = json.loads(answer.read())
                    if answer.status != 200:
                        raise ValueError(f"{answer.status}: {found}")
                    self.versions.append(found["champion_version"])
                    self.ids.append(found["id"])
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failures.append(repr(error))
                time.sleep(0.01)
            finally:
                connection.close()


def missing_of(ids: list[str]) -> tuple[int, int]:
    """How many acknowledged predictions aren't in the prediction log, and how many ids were given twice."""
    log = SqlitePredictionLog(Path(setup().settings.home) / "prediction_log" / "nba.sqlite")
    gone = sum(log.call(id_) is None for id_ in ids)
    log.close()
    return gone, len(ids) - len(set(ids))
