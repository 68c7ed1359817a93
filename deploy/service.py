"""One service of the platform: a shell command in its own process group, whose output goes to a shared queue."""

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
            shell=True,  # nosec B602  # Procfile lines are shell commands: they name their settings as $VARIABLE
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # A session of its own: Ctrl-C in the terminal reaches only the launcher, which then ends the services in
            # order, and one signal to the group reaches everything that the service started.
            start_new_session=True,
        )
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()

    @property
    def exit_code(self) -> int | None:
        """Exit code of the command itself; None while it runs. Its children may still run: see `alive`."""
        return self.process.poll()

    @property
    def alive(self) -> bool:
        """Whether any process of the group still exists."""
        return self.signal(0)

    def signal(self, number: int) -> bool:
        """Send a signal to the whole group; returns whether the group had a process to receive it."""
        self.process.poll()
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):  # macOS raises the latter for a group of zombies
            return False
        return True

    def _read(self, lines: SimpleQueue[Line]) -> None:
        with contextlib.suppress(ValueError, OSError):
            for line in self.process.stdout or ():
                lines.put((self.name, line))


def how_it_ended(exit_code: int) -> str:
    """An exit code in words."""
    if exit_code < 0:
        return f"killed by {signal.Signals(-exit_code).name}"
    return f"exit code {exit_code}"
