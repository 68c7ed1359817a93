"""A MongoDB to test against: the one that PARIVISION_TEST_MONGO_URL names, else nx-27017 in a process of its own.

nx-27017 speaks the wire protocol on top of SQLite. It works correctly only for the operations that the store uses:
equality on a string `_id` that doesn't begin like a date, integers and strings in `$set`, `$inc`, unordered inserts,
ranges of other fields.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.helpers.processes import free_port

START_SECONDS = 60


class MongoServer:
    """nx-27017 on a free port, its data in a folder; it can be killed and started again on the same port and data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"mongodb://127.0.0.1:{self.port}/"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> MongoServer:
        """Start it and wait until it answers. Raises RuntimeError with its log when it doesn't."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / "server.log"
        arguments = ["--data-dir", "data", "--port", str(self.port), "--log-file", "nx.log", "--pid-file", "nx.pid"]
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "nx_27017.nx_27017", *arguments], cwd=self.folder, stdout=out, stderr=out
            )
        give_up = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up and self._process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return self
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"nx-27017 didn't start:\n{log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """Kill it, as a crash would; what it had acknowledged is on disk."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
