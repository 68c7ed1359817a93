"""`make faults`: kills each kind of process of a running platform in turn, and checks that it is noticed and reported.

When a service or one of its processes is killed, the launcher must name it and end everything, leaving no process and
no open port. When the process of a Dagster run is killed, the run must be marked as failed. When the launcher is
killed, the watchdog must end the rest. Prints one JSON; takes about ten minutes.
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
    """Which process of the platform it is."""
    if process.pid == launcher:
        return "launcher"
    words = " ".join(process.cmdline())
    kinds = {
        "watchdog.py": "watchdog",
        "multiprocessing.spawn": "run",
        "resource_tracker": "resource tracker",
        "dagster-daemon": "daemon",
        "parivision_assets.webserver": "webserver",
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
    """Start a platform, kill one of its processes, and report what happened."""
    with RunningPlatform(home) as platform:
        if not platform.wait_for(lambda: "PariVision is up" in platform.output, UP_SECONDS):
            raise SystemExit(platform.output)
        processes = platform.processes()
        victims = [p for p in processes if role(p, platform.launcher.pid) == name]
        if not victims:
            return {"killed": name, "error": f"no such process among {sorted({role(p, 0) for p in processes})}"}
        before = len(platform.output)
        victims[0].kill()
        began = time.monotonic()
        if name == "run":
            back = platform.wait_for(
                lambda: "was killed" in platform.output[before:] or "gone" in platform.output[before:], RUN_SECONDS
            )
            return {"killed": name, "noticed": back, "seconds": round(time.monotonic() - began, 1)}
        ended = platform.launcher.poll() is not None or _ends(platform)
        running = [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
        lines = platform.output[before:].splitlines()
        reported = [line for line in lines if "ended by itself" in line or "killed" in line]
        return {
            "killed": name,
            "platform_ended": ended,
            "seconds": round(time.monotonic() - began, 1),
            "message": reported[0].split("| ", 1)[-1] if reported else "",
            "processes_left": [role(p, platform.launcher.pid) for p in running],
            "ports_left": [port for port in platform.ports.values() if _taken(port)],
        }


def _ends(platform: RunningPlatform) -> bool:
    until = time.monotonic() + NOTICED_SECONDS
    while time.monotonic() < until:
        if platform.launcher.poll() is not None:
            if platform.launcher.returncode < 0:  # the launcher was killed: the watchdog needs some seconds
                time.sleep(12)
            return True
        time.sleep(0.1)
    return False


def _taken(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def main() -> None:
    """Kill each and print; the exit code is 1 when a kill wasn't noticed, or a process or port was left."""
    names = sys.argv[1:] or [
        "feed", "api", "ui", "mlflow", "mlflow's worker", "code", "webserver", "daemon", "watchdog", "launcher",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        found = [kill(Path(folder) / "state", name) for name in names]
    print(json.dumps(found, indent=1))
    bad = [
        f
        for f in found
        if not f.get("platform_ended", f.get("noticed")) or f.get("processes_left") or f.get("ports_left")
    ]
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
