"""One service of the house: a shell command in a process group of its own, whose lines go to a shared queue."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from queue import SimpleQueue

Line = tuple[str, bytes]


class ManagedProcess:
    """A started command and everything that it starts in turn."""

    def __init__(self, name: str, command: str, env: Mapping[str, str], cwd: Path, lines: SimpleQueue[Line]) -> None:
        self.name = name
        self.process = subprocess.Popen(
            command,
            shell=True,  # Procfile lines are shell commands: they name their settings as $VARIABLE
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # A session of its own: Ctrl-C in the terminal reaches the launcher alone, which then ends the services in
            # its own way, and one signal to the group reaches whatever the service started.
            start_new_session=True,
        )
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()

    @property
    def exit_code(self) -> int | None:
        """How the command itself ended; None while it runs. What it started may live on: see `alive`."""
        return self.process.poll()

    @property
    def alive(self) -> bool:
        """Whether any process of the group is left."""
        return self.signal(0)

    def signal(self, number: int) -> bool:
        """Send a signal to the whole group; whether anybody was there to receive it."""
        self.process.poll()
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
            return False
        return True

    def _read(self, lines: SimpleQueue[Line]) -> None:
        stream = self.process.stdout
        assert stream is not None
        with contextlib.suppress(ValueError, OSError):
            for line in stream:
                lines.put((self.name, line))


def how_it_ended(exit_code: int) -> str:
    """An exit code in words."""
    if exit_code < 0:
        return f"killed by {signal.Signals(-exit_code).name}"
    return f"exit code {exit_code}"
