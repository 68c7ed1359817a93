"""A platform started with its launcher, on free ports and in its own state folder; measures output, CPU and memory."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import psutil

ROOT = Path(__file__).resolve().parent.parent
PORTS = ("API", "DAGSTER", "MLFLOW", "UI", "FEED")


class RunningPlatform:
    """`make up` without installing: `with RunningPlatform(folder) as platform` ends it with SIGINT."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("PARIVISION_", "MLFLOW_", "VIRTUAL_BETS_"))},
            "PARIVISION_HOME": str(home),
            **{f"PARIVISION_{name}_PORT": str(port) for name, port in self.ports.items()},
            **settings,
        }
        self._cpu: dict[tuple[int, float], float] = {}
        self.peak_bytes = 0
        """Largest sum of resident memory over all processes; pages that they share count for each."""

    def __enter__(self) -> RunningPlatform:
        self.began = time.monotonic()
        self._out = tempfile.NamedTemporaryFile("w+", suffix=".log")
        self.launcher = subprocess.Popen(
            [sys.executable, "-m", "deploy.up"], cwd=ROOT, env=self.env, stdout=self._out, stderr=self._out
        )
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        self._out.close()

    def end(self) -> int:
        """End it as Ctrl-C does; the launcher's exit code."""
        if self.launcher.poll() is None:
            self.launcher.send_signal(signal.SIGINT)
        return self.launcher.wait(60)

    @property
    def output(self) -> str:
        """Everything that it has printed."""
        return Path(self._out.name).read_text("utf-8", "replace")

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return time.monotonic() - self.began

    @property
    def cpu_seconds(self) -> float:
        """CPU time of all its processes, including ended ones (as measured at most half a second before their end)."""
        return sum(self._cpu.values())

    def processes(self) -> list[psutil.Process]:
        """The launcher and everything below it."""
        launcher = psutil.Process(self.launcher.pid)
        return [launcher, *launcher.children(recursive=True)]

    def wait_for(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until a condition holds, `seconds` have passed or the launcher has ended; returns whether it holds."""
        until = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > until or self.launcher.poll() is not None:
                return holds()
            time.sleep(0.2)
        return True

    def _watch(self) -> None:
        while self.launcher.poll() is None:
            resident = 0
            try:
                for process in self.processes():
                    try:
                        times = process.cpu_times()
                        self._cpu[process.pid, process.create_time()] = times.user + times.system
                        resident += process.memory_info().rss
                    except psutil.Error:
                        continue
            except psutil.Error:
                return
            self.peak_bytes = max(self.peak_bytes, resident)
            time.sleep(0.5)


def _free_ports(n: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [int(s.getsockname()[1]) for s in sockets]
    for s in sockets:
        s.close()
    return ports
