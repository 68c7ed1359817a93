"""The house that is served: a copy of one, or made from season files by the pipeline's own refresh."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx

from benchmarks.serving_peers.server import OURS, ROOT, Asked, Server, free_port

SERVED = ("store", "mlflow", "cache")
"""What of a house the service reads."""


def copied(home: Path, folder: Path) -> Path:
    """A copy to write into: the benchmark's predictions don't belong in anybody's prediction log.

    Raises FileNotFoundError when there is no house.
    """
    if not (home / "store").is_dir():
        raise FileNotFoundError(f"{home} is no house: it has no store; name a PARIVISION_HOME with a champion")
    for name in SERVED:
        if (home / name).is_dir():
            shutil.copytree(home / name, folder / name)
    return folder


def made(files: list[Path], folder: Path) -> Path:
    """A new house with a champion, in the minutes that a refresh takes.

    Raises RuntimeError when the refresh doesn't end with a champion.
    """
    (folder / "inbox").mkdir(parents=True)
    for file in files:
        shutil.copy(file, folder / "inbox")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    command = [sys.executable, "-m", "deploy.run", sys.executable, "-m", "parivision_assets.commands.refresh"]
    settings = {"PARIVISION_HOME": str(folder), "PARIVISION_FEED": "inbox", "PARIVISION_INBOX_SETTLE_SECONDS": "0"}
    done = subprocess.run(command, cwd=ROOT, env=kept | settings, capture_output=True, text=True, check=False)
    if "result: promoted" not in done.stdout:
        raise RuntimeError(f"the refresh promoted nobody:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return folder


def registry(home: Path, log: Path) -> Server:
    """The MLflow server of a house, as `make up` starts it."""
    port, folder = free_port(), home / "mlflow"
    # fmt: off
    command = [
        "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination", str(folder / "artifacts"), "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1", "--uvicorn-opts", "--no-access-log",
    ]
    # fmt: on
    return Server("registry", command, log, port, Asked("GET", "/health"))


def service(home: Path, registry_port: int, log: Path, asked: Asked) -> Server:
    """Our service on a house, with its defaults: prediction log and metrics on, one worker."""
    port = free_port()
    settings = {
        "PARIVISION_HOME": str(home),
        "PARIVISION_API_PORT": str(port),
        "PARIVISION_REGISTRY_URL": f"http://127.0.0.1:{registry_port}",
    }
    return Server("ours", ["parivision_serving"], log, port, asked, **settings)


def fail_if_dropped(server: Server) -> None:
    """Raise RuntimeError when the service answered anything that its prediction log had no room for: that would be faster."""
    metrics = httpx.get(f"http://127.0.0.1:{server.port}/metrics").raise_for_status().text
    dropped = re.findall(r"^parivision_prediction_log_dropped_total (\S+)$", metrics, re.MULTILINE)
    if [float(count) for count in dropped] != [0.0]:
        raise RuntimeError(
            f"the prediction log dropped {dropped} requests: what was measured isn't all that the service does"
        )
