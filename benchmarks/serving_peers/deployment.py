"""The state folder that is served: a copy, or made from season files by `make refresh`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx

from benchmarks.serving_peers.server import ROOT, SETTINGS_PREFIXES, ReadyRequest, Server, free_port

SERVED = ("store", "mlflow", "cache")
"""Parts of a state folder that the service reads."""


def copied(home: Path, folder: Path) -> Path:
    """A copy of a state folder: the benchmark's predictions don't belong in its prediction log.

    Raises FileNotFoundError when `home` is no state folder.
    """
    if not (home / "store").is_dir():
        raise FileNotFoundError(f"{home} is no state folder: it has no store; name a PARIVISION_HOME with a champion")
    for name in SERVED:
        if (home / name).is_dir():
            shutil.copytree(home / name, folder / name)
    return folder


def made(files: list[Path], folder: Path) -> Path:
    """A new state folder with a champion; takes the minutes of a refresh.

    Raises RuntimeError when the refresh doesn't promote a champion.
    """
    (folder / "inbox").mkdir(parents=True)
    for file in files:
        shutil.copy(file, folder / "inbox")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS_PREFIXES)}
    command = [sys.executable, "-m", "deploy.run", sys.executable, "-m", "parivision_assets.commands.refresh"]
    settings = {"PARIVISION_HOME": str(folder), "PARIVISION_FEED": "inbox", "PARIVISION_INBOX_SETTLE_SECONDS": "0"}
    done = subprocess.run(command, cwd=ROOT, env=kept | settings, capture_output=True, text=True, check=False)
    if "result: promoted" not in done.stdout:
        raise RuntimeError(f"the refresh promoted no candidate:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return folder


def registry(home: Path, log: Path) -> Server:
    """The MLflow server for a state folder, as `make up` starts it."""
    port, folder = free_port(), home / "mlflow"
    # fmt: off
    command = [
        "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination", str(folder / "artifacts"), "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1", "--uvicorn-opts", "--no-access-log",
    ]
    # fmt: on
    return Server("registry", command, log, port, ReadyRequest("GET", "/health"))


def service(home: Path, registry_port: int, log: Path, ready: ReadyRequest) -> Server:
    """PariVision's service on a state folder, with its defaults: prediction log and metrics on, one worker."""
    port = free_port()
    settings = {
        "PARIVISION_HOME": str(home),
        "PARIVISION_API_PORT": str(port),
        "PARIVISION_REGISTRY_URL": f"http://127.0.0.1:{registry_port}",
    }
    return Server("ours", ["parivision_serving"], log, port, ready, **settings)


def fail_if_dropped(server: Server) -> None:
    """Raise RuntimeError when the prediction log dropped anything: an answer that isn't logged costs less."""
    metrics = httpx.get(f"http://127.0.0.1:{server.port}/metrics").raise_for_status().text
    dropped = re.findall(r"^parivision_prediction_log_dropped_total (\S+)$", metrics, re.MULTILINE)
    if [float(count) for count in dropped] != [0.0]:
        raise RuntimeError(
            f"the prediction log dropped {dropped} predictions, so the measured requests weren't fully processed"
        )
