"""The tables of Dagster and MLflow, made once, by one process, before anybody needs them.

Neither makes them safely from two processes at once: of a webserver and a daemon that both find no tables one dies with
"table runs already exists", of an MLflow server and a run with "Online migration expected to match one row".
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

ASK_MLFLOW = "import sys, mlflow; mlflow.MlflowClient(sys.argv[1]).search_experiments(max_results=1)"
"""Any question makes it create the tables; `mlflow db upgrade` can't."""


@dataclass(frozen=True)
class Step:
    """Something to be done once for a text: the version that did it."""

    stamp: Path
    text: str
    command: tuple[str, ...]

    @property
    def due(self) -> bool:
        """Whether it hasn't been done for this text."""
        return not self.stamp.exists() or self.stamp.read_text("utf-8") != self.text


def prepare(env: Mapping[str, str]) -> Path:
    """Make the folders of state ready and answer Dagster's."""
    state, home = Path(env["PARIVISION_HOME"]), Path(env["DAGSTER_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    Path(env["UP_ARTIFACTS"]).mkdir(parents=True, exist_ok=True)  # SQLite creates the file beside it, not the folder
    with (state / ".preparing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        write_instance(home, of_our_own=home == state / "dagster")
        _run([step for step in steps(env) if step.due], env)
    return home


def steps(env: Mapping[str, str]) -> Iterator[Step]:
    """What has to have been done, before all else, in this environment."""
    home, store = Path(env["DAGSTER_HOME"]), env["UP_TRACKING_STORE"]
    yield Step(home / ".prepared", version("dagster"), ("dagster", "instance", "migrate"))
    if store.startswith("sqlite:"):
        stamp = Path(env["PARIVISION_HOME"]) / "mlflow" / ".prepared"
        yield Step(stamp, store, (sys.executable, "-c", ASK_MLFLOW, store))


def _run(due: list[Step], env: Mapping[str, str]) -> None:
    running = [
        subprocess.Popen(
            s.command, env=env, cwd=env["DAGSTER_HOME"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for s in due
    ]
    for step, process in zip(due, running, strict=True):
        words, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(f"{' '.join(step.command)} failed:\n{words}")
        write(step.stamp, step.text)
