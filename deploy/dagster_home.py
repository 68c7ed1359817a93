"""DAGSTER_HOME: the instance file, the workspace and the socket of the shared code server."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from deploy.environment import ROOT

LOCATION = "parivision"
"""Name of the code location. `workspace.yaml` has the same one: Dagster stores sensor cursors by location name."""

PLACE = ".parivision/dagster"
"""The folder as the project's `dagster.yaml` names it. It is right as it is when Dagster is run by hand in the root."""

LONGEST_SOCKET = 100
"""Bytes that the path of a Unix socket may have on every system (Linux allows 107, macOS 103)."""


def write_instance(home: Path, overwrite: bool, root: Path = ROOT) -> None:
    """Write the project's `dagster.yaml` with absolute paths; one that exists is replaced only with `overwrite`."""
    file = home / "dagster.yaml"
    if overwrite or not file.exists():
        write(file, (root / "dagster.yaml").read_text("utf-8").replace(PLACE, str(home)))


def code_socket(home: Path) -> Path:
    """Where the shared code server listens. The same at every start, because Dagster stores it with each run."""
    socket = home / "code.sock"
    if len(os.fsencode(socket)) > LONGEST_SOCKET:
        digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"parivision-{os.getuid()}-{digest}"
        folder.mkdir(mode=0o700, exist_ok=True)
        socket = folder / "code.sock"
    return socket


def write_workspace(home: Path, socket: Path) -> Path:
    """Write the workspace through which webserver and daemon use the shared code server; returns its path."""
    file = home / "workspace.yaml"
    write(file, f'load_from:\n  - grpc_server:\n      socket: "{socket}"\n      location_name: {LOCATION}\n')
    return file


def write(file: Path, text: str) -> None:
    """Write a file atomically: a reader sees the old content or the new, never a part."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text(text, "utf-8")
    temporary.replace(file)
