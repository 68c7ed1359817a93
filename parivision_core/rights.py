"""Who may read what PariVision stores: by default the account that runs it, and no other."""

from __future__ import annotations

import os
import stat
from pathlib import Path

OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""The rights of the group and of all others on this machine."""


def keep_private() -> None:
    """Let this process and those that it starts make folders and files that only their owner can use.

    Called by programs when they start, because libraries make most of the files: SQLite, MLflow, Dagster. A folder with
    a default ACL keeps it: there the system ignores what is set here.
    """
    os.umask(OTHERS)


def open_to_others(folder: Path) -> str:
    """A message when the rights of a state folder let others in; empty otherwise.

    They aren't changed, because they may be meant.
    """
    if not folder.stat().st_mode & OTHERS:
        return ""
    return f"Other accounts of this machine may use the state folder; if that isn't meant: chmod 700 '{folder}'"
