"""Dagster's folder of state: its instance file, its workspace and the socket of the shared code server."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from deploy.environment import ROOT

LOCATION = "parivision"
"""Name of the code location, the same in `workspace.yaml`: sensors keep their cursors under it."""

PLACE = ".parivision/dagster"
"""How the project's `dagster.yaml` writes its folder; it serves as it is when Dagster is run by hand in the root."""

LONGEST_SOCKET = 100
"""Bytes that the path of a Unix socket may take everywhere (Linux allows 107, macOS 103)."""


def write_instance(home: Path, of_our_own: bool, root: Path = ROOT) -> None:
    """Write the project's `dagster.yaml` with absolute paths, unless the person chose a folder that has its own."""
    file = home / "dagster.yaml"
    if of_our_own or not file.exists():
        write(file, (root / "dagster.yaml").read_text("utf-8").replace(PLACE, str(home)))


def code_socket(home: Path) -> Path:
    """Where the shared code server listens; the same at every start, for it is part of what runs remember."""
    socket = home / "code.sock"
    if len(os.fsencode(socket)) > LONGEST_SOCKET:
        digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"parivision-{os.getuid()}-{digest}"
        folder.mkdir(mode=0o700, exist_ok=True)
        socket = folder / "code.sock"
    return socket


def write_workspace(home: Path, socket: Path) -> Path:
    """Write the workspace by which webserver and daemon use the shared code server, and answer its path."""
    file = home / "workspace.yaml"
    write(file, f'load_from:\n  - grpc_server:\n      socket: "{socket}"\n      location_name: {LOCATION}\n')
    return file


def write(file: Path, text: str) -> None:
    """Write a file so that nobody ever reads half of it."""
    half = file.with_name(f".{file.name}.{os.getpid()}")
    half.write_text(text, "utf-8")
    half.replace(file)
