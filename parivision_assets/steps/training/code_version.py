"""The version of the running code: the package's version, and the commit when it runs from a checkout."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

from parivision_core import __version__

ROOT = Path(__file__).parents[3]


@cache
def code_version(root: Path = ROOT) -> str:
    """For example `0.1.0`, or `0.1.0+3c9f2d41a7b0` from a checkout, with `-dirty` if it has changes."""
    if not (root / ".git").exists():  # otherwise git would describe a repository further up
        return __version__
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):  # git isn't installed, or the checkout belongs to another user
        return __version__
    return f"{__version__}+{commit}"
