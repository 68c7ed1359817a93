"""Kills the prediction service under load, repeatedly, and checks that every durable answer is in the prediction log.

`python -m benchmarks.durability --home STATE` uses a copy of a state folder with a champion and a feature state, and
prints one JSON; the exit code is 1 when an answer is missing. Only the process is killed. That a commit also survives
a crash of the machine is guaranteed by SQLite (WAL, synchronous FULL) and isn't tested here.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.running_platform import ROOT
from parivision_core.nba.shots import NBA
from parivision_core.prediction_log import open_prediction_log
from parivision_core.prediction_log.base import PredictionLog
from parivision_core.settings import Settings

KILLS = 5
CLIENTS = 8
READY_SECONDS = 120.0
PATH = "/api/v1/predict"
SHOT = {"x": -120, "y": 85, "period": 4, "seconds_remaining": 35, "durable": True}

Start = Callable[[], subprocess.Popen[bytes]]


class Client(threading.Thread):
    """A client that requests predictions until the service is gone."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.acknowledged: list[str] = []
        self.refused = 0
        self.start()

    def run(self) -> None:
        """Send one request after another over one connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            while True:
                status, answer = predict(connection)
                if status == 200:
                    self.acknowledged.append(answer["id"])
                else:
                    self.refused += 1
        except (OSError, http.client.HTTPException, ValueError):
            return  # killed, perhaps in the middle of an answer, which then isn't acknowledged
        finally:
            connection.close()


def predict(connection: http.client.HTTPConnection) -> tuple[int, dict[str, Any]]:
    """Request one durable prediction; returns status and answer."""
    connection.request("POST", PATH, json.dumps(SHOT), {"content-type": "application/json"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def prove(
    start: Start, port: int, prediction_log: Callable[[], PredictionLog], kills: int = KILLS, seconds: float = 1.0
) -> dict[str, Any]:
    """Start a service, put it under load and kill it, `kills` times; counts acknowledged and missing predictions.

    The load lasts a little longer each time, so that the kills come at different moments of a commit. Raises
    RuntimeError when the service doesn't answer.
    """
    acknowledged: list[str] = []
    refused = 0
    rounds = []
    for number in range(kills):
        process = start()
        try:
            _wait(process, port)
            clients = [Client(port) for _ in range(CLIENTS)]
            time.sleep(seconds * (1 + number / kills))
        finally:
            process.kill()
            process.wait()
        for client in clients:
            client.join(READY_SECONDS)
        ids = [id_ for client in clients for id_ in client.acknowledged]
        rounds.append(len(ids))
        acknowledged += ids
        refused += sum(client.refused for client in clients)
    log = prediction_log()
    missing = [id_ for id_ in acknowledged if log.call(id_) is None]
    log.close()
    return {
        "kills": kills,
        "acknowledged": len(acknowledged),
        "acknowledged_by_round": rounds,
        "refused": refused,
        "missing": len(missing),
        "examples": missing[:5],
    }


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    give_up = time.monotonic() + READY_SECONDS
    last: Any = "nothing"
    while time.monotonic() < give_up and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            status, last = predict(connection)
            if status == 200:
                return
        except (OSError, http.client.HTTPException, ValueError) as error:
            last = error
        finally:
            connection.close()
        time.sleep(0.05)
    raise RuntimeError(f"the service answers no predictions (exit code {process.poll()}); its last response: {last}")


@contextmanager
def _registry(home: Path, port: int) -> Iterator[None]:
    """An MLflow server for the registry in the state folder, as `make up` starts it."""
    command = [
        "mlflow", "server", "--backend-store-uri", f"sqlite:///{home / 'mlflow' / 'mlflow.db'}",
        "--artifacts-destination", str(home / "mlflow" / "artifacts"), "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1",
    ]  # fmt: skip
    bin_ = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"}
    server = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        os.killpg(server.pid, signal.SIGKILL)  # with its workers; the folder is a copy
        server.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.durability", description=__doc__)
    parser.add_argument(
        "--home", type=Path, required=True, help="state folder with a champion and a feature state; a copy is used"
    )
    parser.add_argument("--port", type=int, default=8901, help="port of the service; the registry uses the next one")
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds of load before the first kill")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        for part in ("store", "mlflow"):
            shutil.copytree(chosen.home / part, home / part)
        settings = Settings(home=home).resolved()
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PARIVISION_", "MLFLOW_"))},
            "PARIVISION_HOME": str(home),
            "PARIVISION_API_PORT": str(chosen.port),
            "PARIVISION_REGISTRY_URL": f"http://127.0.0.1:{chosen.port + 1}",
            "OMP_NUM_THREADS": "1",
        }

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen([sys.executable, "-m", "parivision_serving"], cwd=ROOT, env=environment)

        with _registry(home, chosen.port + 1):
            found = prove(start, chosen.port, lambda: open_prediction_log(settings, NBA), chosen.kills, chosen.seconds)
    print(json.dumps(found, indent=1))
    sys.exit(1 if found["missing"] or not all(found["acknowledged_by_round"]) else 0)


if __name__ == "__main__":
    main()
