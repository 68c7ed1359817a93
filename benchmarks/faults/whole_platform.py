"""Kills each kind of process of a running platform in turn: it is named, all else ends, and nothing is lost.

When a service or one of its processes is killed, the launcher must name it and end everything, leaving no process and
no open port. When the launcher is killed, the watchdog must end the rest. The state folder is the same for all, so that
each start goes on where the one before was killed.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path

import psutil

from benchmarks.faults import shared
from benchmarks.faults.outcome import Outcome
from benchmarks.faults.table import Inject, fault
from benchmarks.running_platform import ROOT, RunningPlatform

UP_SECONDS = 240.0
NOTICED_SECONDS = 60.0
WATCHDOG_SECONDS = 12.0
"""After the launcher's death, until the watchdog has ended the rest."""
ROLES = {
    "watchdog.py": "watchdog",
    "multiprocessing.spawn": "run",
    "resource_tracker": "resource tracker",
    "dagster-daemon": "daemon",
    "parivision_assets.webserver": "webserver",
    "dagster api grpc": "code server",
    "virtual_bets": "feed",
    "parivision_serving": "API",
    "gradio_ui": "page",
    "mlflow server": "MLflow",
    "uvicorn": "MLflow's worker",
}
"""Part of a command line -> which process of the platform it is; the first that fits."""
VICTIMS = (
    "feed",
    "API",
    "page",
    "MLflow",
    "MLflow's worker",
    "code server",
    "webserver",
    "daemon",
    "watchdog",
    "launcher",
)


def role(process: psutil.Process, launcher: int) -> str:
    """Which process of the platform it is."""
    if process.pid == launcher:
        return "launcher"
    try:
        words = " ".join(process.cmdline())
    except psutil.Error:  # it has just ended
        return ""
    return next((name for part, name in ROLES.items() if part in words), words[:60])


def committed(home: Path) -> dict[str, int]:
    """Inserted rows by batch."""
    return {manifest.batch_id: manifest.inserted for manifest in shared.store_of(home).manifests()}


def killed(name: str) -> Inject:
    """Start a platform, kill one of its processes, and see what is said and what is left."""

    def inject(_: Path, __: int) -> Outcome:
        home = shared.scratch() / "platform"
        with RunningPlatform(home, PYTHONPATH=str(ROOT)) as platform:
            assert platform.wait_for(lambda: "PariVision is up" in platform.output, UP_SECONDS), platform.output[-2000:]
            processes, before, said = platform.processes(), committed(home), len(platform.output)
            next(process for process in processes if role(process, platform.launcher.pid) == name).kill()
            note = _all_ended(platform, said, processes)
        after = committed(home)
        store = shared.store_of(home)
        lost = sum(rows for batch, rows in before.items() if after.get(batch) != rows)
        lost += abs(sum(after.values()) - store.lake(["_id"]).num_rows)
        return Outcome(lost, shared.doubled(store), reported=not note, note=note)

    return inject


def _all_ended(platform: RunningPlatform, said: int, processes: list[psutil.Process]) -> str:
    """What is wrong after a process was killed; empty if nothing is."""
    platform.wait_for(lambda: False, NOTICED_SECONDS)  # until the launcher has ended
    code = platform.launcher.poll()
    if code is not None and code < 0:  # the launcher was killed
        time.sleep(WATCHDOG_SECONDS)
    running = [role(p, 0) for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    ports = [name for name, port in platform.ports.items() if _taken(port)]
    lines = platform.output[said:].splitlines()
    named = code is not None and (code < 0 or any("ended by itself" in line or "killed" in line for line in lines))
    wrong = not named or running or ports
    return f"exit code {code}, running: {running}, ports: {ports}, said: {lines[-20:]}" if wrong else ""


def _taken(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


for _name in VICTIMS:
    fault(1, f"kill -9 of a platform's process: {_name}", quick=False)(killed(_name))
