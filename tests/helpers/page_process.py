"""Runs `python -m gradio_ui` as a process on a free port."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.helpers.paths import ROOT
from tests.helpers.processes import free_port

DEADLINE = 90.0
MOST_SECONDS_TO_END = 5


class PageProcess:
    """The page, started at once; `ready` waits for it."""

    def __init__(self, api_url: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = TemporaryDirectory()
        self.home = Path(self._folder.name)
        variables = {
            "PARIVISION_API_URL": api_url,
            "PARIVISION_UI_PORT": str(self.port),
            "PARIVISION_HOME": str(self.home),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gradio_ui"],
            env=os.environ | variables,
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> str:
        """The address, once the page is served there."""
        give_up = time.monotonic() + DEADLINE
        while True:
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < give_up, "the page didn't come up"
            try:
                if httpx.get(self.url, timeout=10).status_code == 200:
                    return self.url
            except httpx.TransportError:
                time.sleep(0.1)

    def end(self, signal: int) -> tuple[int, str]:
        """Send a signal: the exit code and the log. Raises TimeoutExpired when it takes too long."""
        self.process.send_signal(signal)
        _, log = self.process.communicate(timeout=MOST_SECONDS_TO_END)
        return self.process.returncode, log

    def kill(self) -> None:
        """Kill it, and remove its folder."""
        self.process.kill()
        self.process.communicate()
        self._folder.cleanup()
