"""Ends the services when the launcher was killed (`kill -9`) or crashed and couldn't end them itself.

It reads process group ids from its standard input, which the launcher keeps open. If the input ends without the line
`done`, the launcher has died. It is a separate process because it must outlive the launcher, and uses a pipe because
that works on every Unix.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable

GRACE_SECONDS = 10


def watch(lines: Iterable[str]) -> None:
    """Collect process group ids until the input ends, then end the groups unless the launcher wrote `done`."""
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
    """Send a signal to a process group; returns whether the group still had a process to receive it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    watch(sys.stdin)
