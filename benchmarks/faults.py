"""`make faults`: kills each kind of process of a running house in turn, and sees that it is noticed, said and survived.

A service, or a process that belongs to one: the house must say which and end, leaving no process and no port. The
process of a run: the run must be marked as failed and its work done by a later one. The launcher: the watchdog must end
the rest. Prints one JSON; it takes about ten minutes.
"""

from __future__ import annotations

import json
import socket
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.running_platform import RunningPlatform

UP_SECONDS = 600.0
NOTICED_SECONDS = 60.0
RUN_SECONDS = 240.0


def role(process: psutil.Process, launcher: int) -> str:
    """What a process of the house is."""
    if process.pid == launcher:
        return "launcher"
    words = " ".join(process.cmdline())
    kinds = {
        "watchdog.py": "watchdog",
        "multiprocessing.spawn": "run",
        "resource_tracker": "resource tracker",
        "dagster-daemon": "daemon",
        "dagster-webserver": "webserver",
        "dagster api grpc": "code",
        "virtual_bets": "feed",
        "parivision_serving": "api",
        "gradio_ui": "ui",
        "mlflow server": "mlflow",
        "uvicorn": "mlflow's worker",
    }
    found = next((name for part, name in kinds.items() if part in words), None)
    return found or words[:60]


def kill(home: Path, name: str) -> dict[str, object]:
    """Start a house, kill one of its processes, and tell what came of it."""
    with RunningPlatform(home) as deployment:
        if not deployment.wait_for(lambda: "PariVision is up" in deployment.said, UP_SECONDS):
            raise SystemExit(deployment.said)
        mine = deployment.processes()
        victims = [p for p in mine if role(p, deployment.launcher.pid) == name]
        if not victims:
            return {"killed": name, "error": f"no such process among {sorted({role(p, 0) for p in mine})}"}
        before = len(deployment.said)
        victims[0].kill()
        began = time.monotonic()
        if name == "run":
            back = deployment.wait_for(
                lambda: "was killed" in deployment.said[before:] or "gone" in deployment.said[before:], RUN_SECONDS
            )
            return {"killed": name, "noticed": back, "seconds": round(time.monotonic() - began, 1)}
        ended = deployment.launcher.poll() is not None or _ends(deployment)
        left = [role(p, deployment.launcher.pid) for p in mine if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
        told = [line for line in deployment.said[before:].splitlines() if "ended by itself" in line or "killed" in line]
        return {
            "killed": name,
            "house_ended": ended,
            "seconds": round(time.monotonic() - began, 1),
            "said": told[0].split("| ", 1)[-1] if told else "",
            "processes_left": left,
            "ports_left": [port for port in deployment.ports.values() if _taken(port)],
        }


def _ends(deployment: RunningPlatform) -> bool:
    until = time.monotonic() + NOTICED_SECONDS
    while time.monotonic() < until:
        if deployment.launcher.poll() is not None:
            if deployment.launcher.returncode < 0:  # killed itself: the watchdog needs its time
                time.sleep(12)
            return True
        time.sleep(0.1)
    return False


def _taken(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def main() -> None:
    """Kill them all and print; the exit code is 1 when something went unnoticed or was left."""
    names = sys.argv[1:] or [
        "feed", "api", "ui", "mlflow", "mlflow's worker", "code", "webserver", "daemon", "watchdog", "launcher",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        found = [kill(Path(folder) / "state", name) for name in names]
    print(json.dumps(found, indent=1))
    bad = [
        f for f in found if not f.get("house_ended", f.get("noticed")) or f.get("processes_left") or f.get("ports_left")
    ]
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
