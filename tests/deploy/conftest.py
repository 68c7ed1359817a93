"""Fixtures for the launcher's tests: `make up` in a folder of its own, with stand-ins for the services."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.environment import ROOT, for_services
from deploy.prepare import steps
from parivision_core.settings import Settings
from tests.helpers.processes import PATIENCE, free_ports, until


def running(pid: int) -> bool:
    """Whether a process runs; a zombie doesn't."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class Deployment:
    """A state folder, free ports, and launchers that are started on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "state"
        self.out = folder / "out.txt"
        self.api, self.dagster, self.mlflow, self.ui, self.feed = free_ports(5)
        # Marks the database tables as created already: creating them costs many CPU seconds.
        environ = {**self.env, "DAGSTER_HOME": ""}
        for step in steps(for_services(environ, Settings.from_env(environ))):
            step.stamp.parent.mkdir(parents=True)
            step.stamp.write_text(step.text)
            for file in step.makes:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()
        self.started: list[subprocess.Popen[bytes]] = []

    @property
    def env(self) -> dict[str, str]:
        """The environment of the launcher."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PARIVISION_", "MLFLOW_", "DAGSTER_"))}
        return {
            **kept,
            "PARIVISION_HOME": str(self.home),
            "PARIVISION_FEED": "inbox",
            "PARIVISION_API_PORT": str(self.api),
            "PARIVISION_DAGSTER_PORT": str(self.dagster),
            "PARIVISION_MLFLOW_PORT": str(self.mlflow),
            "PARIVISION_UI_PORT": str(self.ui),
            "PARIVISION_FEED_PORT": str(self.feed),
        }

    def procfile(self, stubborn: str = "") -> Path:
        """A Procfile with stand-ins for three services that have addresses."""
        command = f"exec {sys.executable} -S {Path(__file__).with_name('stand_in.py')} {self.folder}"
        file = self.folder / "Procfile"
        file.write_text(
            f"mlflow: {command} $PARIVISION_MLFLOW_PORT {stubborn}\n"
            f"webserver: {command} $PARIVISION_DAGSTER_PORT {stubborn}\n"
            f"api: {command} $PARIVISION_API_PORT {stubborn}\n"
        )
        return file

    def up(self, procfile: Path, grace: float = 0.2) -> subprocess.Popen[bytes]:
        """Start the launcher like a background job of a script: with SIGINT ignored."""
        command = 'trap "" INT; exec "$0" -m deploy.up --procfile "$1" --grace "$2"'
        with self.out.open("ab") as out:
            process = subprocess.Popen(
                ["sh", "-c", command, sys.executable, str(procfile), str(grace)],
                cwd=ROOT,
                env=self.env,
                stdout=out,
                stderr=out,
            )
        self.started.append(process)
        return process

    def wait_until_up(self) -> None:
        """Wait until the addresses are printed."""
        until(lambda: "PariVision is up" in self.output, "addresses")

    @property
    def output(self) -> str:
        """Everything that launchers of this deployment have printed."""
        return self.out.read_text("utf-8")

    @property
    def roles(self) -> dict[int, str]:
        """Role of each stand-in process: its port for a leader, `child`, or `stray` for one that left its group."""
        file = self.folder / "pids"
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        return {int(pid): role for pid, role in (line.split() for line in lines)}

    def leader(self, port: int) -> int:
        """The stand-in that serves a port."""
        return next(pid for pid, role in self.roles.items() if role == str(port))


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """A deployment; its launchers are ended after the test."""
    deployment = Deployment(tmp_path)
    yield deployment
    for process in deployment.started:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE)
