"""Creates the database tables of Dagster and MLflow once, in one process, before the services start.

Neither tool creates them safely from two processes at once: when webserver and daemon both find no tables, one of
them fails with "table runs already exists"; MLflow fails with "Online migration expected to match one row".
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from deploy.dagster_home import write, write_instance
from parivision_core.disk_space import full_disk

CREATE_MLFLOW_TABLES = "import sys, mlflow; mlflow.MlflowClient(sys.argv[1]).search_experiments(max_results=1)"
"""Any query makes MLflow create its tables; `mlflow db upgrade` doesn't create them."""
DAGSTER_FILES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Step:
    """A command that is run once for each `text`, a version or an address; the file `stamp` holds the last one."""

    stamp: Path
    text: str
    command: tuple[str, ...]
    makes: tuple[Path, ...] = ()
    """Databases that it makes, where they are files: one that was moved away is made anew."""

    @property
    def due(self) -> bool:
        """Whether the command hasn't been run for this text yet."""
        if not self.stamp.exists() or self.stamp.read_text("utf-8") != self.text:
            return True
        return not all(file.exists() for file in self.makes)


def prepare(env: Mapping[str, str]) -> Path:
    """Create the state folders and the tables; returns DAGSTER_HOME. Raises RuntimeError when a command fails."""
    state, home = Path(env["PARIVISION_HOME"]), Path(env["DAGSTER_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    Path(env["UP_ARTIFACTS"]).mkdir(parents=True, exist_ok=True)  # and its parent, where SQLite puts mlflow.db
    with (state / ".preparing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        write_instance(home, overwrite=home == state / "dagster")
        _run([step for step in steps(env) if step.due], env)
    return home


def steps(env: Mapping[str, str]) -> Iterator[Step]:
    """The commands that must have been run in this environment before any service starts."""
    state, home, store = Path(env["PARIVISION_HOME"]), Path(env["DAGSTER_HOME"]), env["UP_TRACKING_STORE"]
    ours = home == state / "dagster"  # elsewhere its dagster.yaml may name other databases
    files = tuple(home / file for file in DAGSTER_FILES) if ours else ()
    yield Step(home / ".prepared", version("dagster"), ("dagster", "instance", "migrate"), files)
    if store.startswith(SQLITE):
        file = Path(store.removeprefix(SQLITE))
        yield Step(state / "mlflow" / ".prepared", store, (sys.executable, "-c", CREATE_MLFLOW_TABLES, store), (file,))


def _run(due: list[Step], env: Mapping[str, str]) -> None:
    running = [
        subprocess.Popen(
            s.command, env=env, cwd=env["DAGSTER_HOME"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for s in due
    ]
    for step, process in zip(due, running, strict=True):
        output, _ = process.communicate()
        if process.returncode:
            why = full_disk(step.stamp.parent) or f"{' '.join(step.command)} failed:\n{output}"
            raise RuntimeError(why)
        write(step.stamp, step.text)
