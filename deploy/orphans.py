"""Processes whose parents have ended: on Linux the launcher becomes their parent, so that it can end them too."""

from __future__ import annotations

import ctypes
import os
import sys
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def adopt() -> None:
    """Make this process the parent of every orphan below it. On other systems only process groups are ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap(known: Collection[int]) -> None:
    """Reap adopted children that have ended, until the next ended child is a known one.

    Known children are left to the code that started them, because it needs their exit codes.
    """
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid in known:
            return
        os.waitpid(ended.si_pid, 0)


def descendants(of: int) -> set[int]:
    """All running processes below a process; empty on systems without /proc."""
    children = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The command name in brackets may contain anything, so the fields are counted from the last bracket.
            state, parent = stat.read_text("utf-8", "replace").rpartition(")")[2].split()[:2]
        except OSError:
            continue  # it has ended in the meantime
        if state not in "ZX":
            children[int(parent)].append(int(stat.parent.name))
    found: set[int] = set()
    waiting = [of]
    while waiting:
        below = [p for p in children[waiting.pop()] if p not in found]
        found.update(below)
        waiting += below
    return found
