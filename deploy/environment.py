"""The environment of every process of the platform: variables that are set, `.env`, and what follows from both."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from honcho.environ import parse

from parivision_core.settings import Settings

ROOT = Path(__file__).resolve().parent.parent

QUIET = {
    "PYTHONUNBUFFERED": "1",  # else a log line appears when its buffer is full, minutes late
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # else seven more processes for a kind of job that isn't used here
    # A request to MLflow is given up after half a minute, in place of four minutes: runs go one at a time, so that
    # ingests would wait behind one that can't reach it, and what failed is requested again within ten minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",
}


def with_dotenv(environ: Mapping[str, str], folder: Path = ROOT) -> dict[str, str]:
    """The environment with the variables of a folder's `.env`; a variable that is already set wins over the file."""
    file = folder / ".env"
    return {**(parse(file.read_text("utf-8")) if file.exists() else {}), **environ}


def for_services(environ: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """The environment of every service.

    Paths are made absolute because the services run in the state folder. In the project's folder Dagster would read
    `.env` by itself and let it override variables that were set for one command.
    """
    dagster_home = environ.get("DAGSTER_HOME") or str(settings.home / "dagster")
    env = {
        **QUIET,
        **environ,
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), environ.get("PATH", os.defpath))),
        "PARIVISION_HOME": str(settings.home),
        "PARIVISION_INBOX": str(settings.inbox),
        "PARIVISION_FEED": settings.feed,
        "PARIVISION_API_PORT": str(settings.api_port),
        "PARIVISION_DAGSTER_PORT": str(settings.dagster_port),
        "PARIVISION_MLFLOW_PORT": str(settings.mlflow_port),
        "PARIVISION_UI_PORT": str(settings.ui_port),
        "PARIVISION_FEED_PORT": str(settings.feed_port),
        "DAGSTER_HOME": str(Path(dagster_home).expanduser().absolute()),
        # Used by the commands in the Procfile.
        "UP_TRACKING_STORE": _absolute(settings.tracking_uri),
        "UP_ARTIFACTS": str(settings.artifacts),
    }
    if file := environ.get("VIRTUAL_BETS_FILE"):
        env["VIRTUAL_BETS_FILE"] = str(Path(file).expanduser().absolute())
    if environ.get("MLFLOW_TRACKING_URI"):
        env["MLFLOW_TRACKING_URI"] = env["UP_TRACKING_STORE"]
    return env


def _absolute(uri: str) -> str:
    """An SQLite address with an absolute path, so that it means the same file in every working directory."""
    scheme, found, path = uri.partition("sqlite:///")
    return uri if scheme or not found else f"sqlite:///{Path(path).absolute()}"
