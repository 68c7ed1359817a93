"""Processes that outlived their parents: on Linux the launcher adopts them, so that none escapes by forking away."""

from __future__ import annotations

import ctypes
import os
import sys
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def adopt() -> None:
    """Make this process the parent of every orphan below it; where that can't be had, process groups must do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap(known: Collection[int]) -> None:
    """Clear away adopted children that have ended, as far as no known one that has ended comes first.

    The known ones are cleared away by whoever started them, who needs their exit codes.
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
    """All living processes below a process; none where there is no /proc."""
    children = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The command in brackets may hold anything, so the fields are counted from the last bracket.
            state, parent = stat.read_text("utf-8", "replace").rpartition(")")[2].split()[:2]
        except OSError:
            continue  # it ended meanwhile
        if state not in "ZX":
            children[int(parent)].append(int(stat.parent.name))
    found: set[int] = set()
    waiting = [of]
    while waiting:
        below = [p for p in children[waiting.pop()] if p not in found]
        found.update(below)
        waiting += below
    return found
