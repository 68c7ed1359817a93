"""The disk of the state folder: it must have room at the start, and the terminal says once when it is full later."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from deploy.log import TerminalLog
from parivision_core.disk_space import full_disk

LEAST_FREE_BYTES = 300 * 2**20
"""A simulated season takes 60 MB, and up to three times as much while it is rewritten."""
CHECK_SECONDS = 0.1
"""Between two looks: while a disk is full, Dagster writes hundreds of lines a second."""
NOISY = frozenset({"code", "webserver", "daemon", "mlflow"})
"""Programs that write a stack trace for each write that fails, of which there are dozens a second."""


def short_of_space(home: Path) -> list[str]:
    """A message when the disk has too little space to start; one that fills up later is seen by `DiskWatch`."""
    free = shutil.disk_usage(home).free
    if free >= LEAST_FREE_BYTES:
        return []
    return [
        f"Only {free >> 20} MB are free on the disk of {home}, and a season needs up to {LEAST_FREE_BYTES >> 20} MB. "
        "Free some space, or choose another folder: PARIVISION_HOME=/path/to/folder make up"
    ]


class DiskWatch:
    """Says when a disk becomes full, and when it has room again; between the two, noisy programs aren't shown."""

    def __init__(self, folders: set[Path], log: TerminalLog) -> None:
        """It speaks through the log, and hides lines there."""
        self._folders, self._say = sorted(folders), log.say
        log.hides = self.hides
        self._full, self._hidden, self._checked = "", 0, 0.0

    def step(self) -> None:
        """Look if it is time again, and say what has changed."""
        if time.monotonic() - self._checked < CHECK_SECONDS:
            return
        self._checked = time.monotonic()
        before, found = self._full, map(full_disk, self._folders)
        self._full = next((text for text in found if text), "")
        if self._full and not before:
            self._say(f"{self._full} Until then, lines of Dagster and MLflow aren't shown here.")
        elif before and not self._full:
            self._say(f"The disk has room again; {self._hidden:,} lines of Dagster and MLflow weren't shown meanwhile.")
            self._hidden = 0

    def hides(self, name: str) -> bool:
        """Whether a line of a program is left out, because the disk is full."""
        self.step()
        hidden = bool(self._full) and name in NOISY
        self._hidden += hidden
        return hidden
