"""Kills a service under load, again and again, and sees that every durable answer it gave is in the prediction log.

`python -m benchmarks.durability --home STATE` does so to the prediction service on a copy of a state folder that holds
a champion and a feature state, and prints one JSON; the exit code is 1 when a promise was broken. A process is killed, not the
machine: that what a commit wrote outlasts the machine as well is SQLite's word (WAL, synchronous FULL), not shown here.
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


class Asking(threading.Thread):
    """A client that asks until its service is gone."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.acknowledged: list[str] = []
        self.refused = 0
        self.start()

    def run(self) -> None:
        """Ask one prediction after another over one connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            while True:
                status, answer = ask(connection)
                if status == 200:
                    self.acknowledged.append(answer["id"])
                else:
                    self.refused += 1
        except (OSError, http.client.HTTPException, ValueError):
            return  # killed, perhaps in the middle of an answer: that one is not acknowledged
        finally:
            connection.close()


def ask(connection: http.client.HTTPConnection) -> tuple[int, dict[str, Any]]:
    """Ask for one durable prediction: status and answer."""
    connection.request("POST", PATH, json.dumps(SHOT), {"content-type": "application/json"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def prove(
    start: Start, port: int, prediction_log: Callable[[], PredictionLog], kills: int = KILLS, seconds: float = 1.0
) -> dict[str, Any]:
    """Start a service, load it, kill it; so many times. What was acknowledged, and what of that the prediction log lacks.

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
            clients = [Asking(port) for _ in range(CLIENTS)]
            time.sleep(seconds * (1 + number / kills))
        finally:
            process.kill()
            process.wait()
        for client in clients:
            client.join(READY_SECONDS)
        told = [name for client in clients for name in client.acknowledged]
        rounds.append(len(told))
        acknowledged += told
        refused += sum(client.refused for client in clients)
    kept = prediction_log()
    missing = [name for name in acknowledged if kept.call(name) is None]
    kept.close()
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
    said: Any = "nothing"
    while time.monotonic() < give_up and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            status, said = ask(connection)
            if status == 200:
                return
        except (OSError, http.client.HTTPException, ValueError) as error:
            said = error
        finally:
            connection.close()
        time.sleep(0.05)
    raise RuntimeError(f"the service doesn't answer predictions (exit code {process.poll()}); the last was: {said}")


@contextmanager
def _registry(home: Path, port: int) -> Iterator[None]:
    """MLflow over the folder's registry, as `make up` starts it."""
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
        os.killpg(server.pid, signal.SIGKILL)  # its workers with it: the folder is a copy
        server.wait()


def main() -> None:
    """Prove it of the prediction service."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.durability", description=__doc__)
    parser.add_argument(
        "--home", type=Path, required=True, help="state folder with a champion and a feature state; it is copied"
    )
    parser.add_argument("--port", type=int, default=8901, help="for the service; the registry takes the next")
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seconds", type=float, default=2.0, help="of load before the first kill")
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
