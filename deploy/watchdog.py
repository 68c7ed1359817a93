"""Ends the services when the launcher is gone without having ended them, which only `kill -9` or a crash can do.

It reads process groups from its standard input, which the launcher holds open; the end of that input without the word
`done` means that the launcher died. A process of its own because nothing in the launcher outlives it, and a pipe
because that works wherever processes have parents.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable

GRACE_SECONDS = 10


def watch(lines: Iterable[str]) -> None:
    """Collect process groups until the input ends, then end them unless the launcher did so."""
    groups = []
    for line in lines:
        if line.strip() == "done":
            return
        groups.append(int(line))
    left = [g for g in groups if _send(g, signal.SIGTERM)]
    deadline = time.monotonic() + GRACE_SECONDS
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = [g for g in left if _send(g, 0)]
    for group in left:
        _send(group, signal.SIGKILL)


def _send(group: int, number: int) -> bool:
    """Whether the group still had a process to receive the signal."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    watch(sys.stdin)
