"""A server that is measured: start it, wait for a correct answer, read its CPU and memory from outside, end it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import httpx
import psutil

from benchmarks.load import cpu_seconds
from deploy.environment import QUIET

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_SECONDS = 120.0
SETTINGS_PREFIXES = ("PARIVISION_", "MLFLOW_", "DAGSTER_", "VIRTUAL_BETS_")
"""Prefixes of variables that are removed, so that settings of the shell don't change the measurement."""


@dataclass(frozen=True)
class ReadyRequest:
    """A request that a server must answer with success to count as started."""

    method: str
    path: str
    body: bytes = b""
    media_type: str = "application/json"


class Server:
    """`with Server(...) as server`: the block begins after the first successful answer."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, port: int, ready: ReadyRequest, **settings: str
    ) -> None:
        self.name, self.port, self._ready = name, port, ready
        self._command, self._log = [sys.executable, "-m", *command], log
        kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS_PREFIXES)}
        # MLflow looks for uvicorn on PATH. One thread, so that libraries don't use the core of the load generator.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        self._env = kept | QUIET | {"PATH": path, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"} | settings
        self.start_seconds = self.start_cpu_seconds = 0.0

    def __enter__(self) -> Server:
        began = time.monotonic()
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._env, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self._wait(began + TIMEOUT_SECONDS)
        except BaseException:
            self.end()
            raise
        self.start_seconds = time.monotonic() - began
        self.pids = [process.pid for process in self._tree()]
        self.start_cpu_seconds = cpu_seconds(self.pids)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def memory_mb(self) -> dict[str, float]:
        """Memory of all its processes in MB: the sum with shared pages counted once, and the sum of the peaks."""
        pss = sum(_kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") for pid in self.pids)
        peak = sum(_kilobytes(Path(f"/proc/{pid}/status"), "VmHWM:") for pid in self.pids)
        return {"pss": round(pss / 1024, 1), "peak": round(peak / 1024, 1)}

    def end(self) -> None:
        """End it and all its children."""
        try:
            tree = self._tree()
        except psutil.NoSuchProcess:
            tree = []
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        for process in psutil.wait_procs(tree, timeout=10)[1]:
            process.kill()
        self._process.wait()

    def _tree(self) -> list[psutil.Process]:
        root = psutil.Process(self._process.pid)
        return [root, *root.children(recursive=True)]

    def _wait(self, until: float) -> None:
        """Send requests until one succeeds: a server that only listens isn't ready yet."""
        last, ready = "nothing", self._ready
        url, headers = f"http://127.0.0.1:{self.port}{ready.path}", {"Content-Type": ready.media_type}
        with httpx.Client(timeout=5) as http:
            while time.monotonic() < until and self._process.poll() is None:
                try:
                    answer = http.request(ready.method, url, content=ready.body, headers=headers)
                except httpx.HTTPError as error:
                    last = repr(error)
                else:
                    if answer.is_success:
                        self.first_answer = answer.content
                        return
                    last = answer.text
                time.sleep(0.02)
        raise RuntimeError(
            f"{self.name} doesn't answer correctly (last: {last}). Its log:\n{self._log.read_text()[-3000:]}"
        )


def free_port() -> int:
    """A port that no process uses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _kilobytes(file: Path, name: str) -> int:
    return int(file.read_text("ascii").split(name)[1].split()[0])
