"""What the platform stores can be read by the account that runs it alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.environment import ROOT
from parivision_core.rights import OTHERS
from tests.deploy.conftest import Deployment

FILL = """
import os
from parivision_core.nba.shots import NBA
from parivision_core.prediction_log import open_prediction_log
from parivision_core.settings import Settings
from parivision_core.store import open_store
from parivision_serving.web import keys
from tests.helpers.batches import manifest, shots_of
settings = Settings.from_env()
open_store(settings, NBA).commit_batch(manifest(), shots_of("b"), [])
kept = open_prediction_log(settings, NBA)
keys.add(settings.home / "api_keys.json", "page", ["read"])
os._exit(0)  # leaves what SQLite has beside a file that is open
"""
USUAL = 0o022
"""The umask of a usual shell."""
WITHOUT_STATE = {"deploy/watchdog.py", "deploy/docker/healthy.py"}


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """Programs are started as from a usual shell."""
    before = os.umask(USUAL)
    yield
    os.umask(before)


def open_to_others(home: Path) -> list[str]:
    return [str(path) for path in (home, *home.rglob("*")) if path.lstat().st_mode & OTHERS]


@pytest.mark.process
def test_store_prediction_log_and_keys_are_their_owners_alone(deployment: Deployment) -> None:
    for path in (deployment.home, *deployment.home.rglob("*")):  # the stamps of the fixture
        path.chmod(path.stat().st_mode & ~OTHERS)
    words = [sys.executable, "-m", "deploy.run", sys.executable, "-c", FILL]
    subprocess.run(words, cwd=ROOT, env=deployment.env | {"PYTHONPATH": str(ROOT)}, check=True)
    made = {path.name for path in deployment.home.rglob("*")}
    assert {"api_keys.json", "meta.sqlite", "nba.sqlite", "nba.sqlite-wal", "nba.sqlite-shm", "dagster.yaml"} <= made
    assert not open_to_others(deployment.home)


@pytest.mark.process
def test_what_services_make_is_their_owners_alone_and_a_shared_folder_is_reported(deployment: Deployment) -> None:
    procfile = deployment.procfile()
    before = set(open_to_others(deployment.home))
    procfile.write_text(procfile.read_text() + "other: mkdir logs && touch logs/other.txt && exec sleep 600\n")
    deployment.up(procfile)
    deployment.wait_until_up()
    assert (deployment.home / "logs" / "other.txt").exists() and (deployment.home / "inbox").exists()
    assert set(open_to_others(deployment.home)) == before
    assert f"if that isn't meant: chmod 700 '{deployment.home}'" in deployment.output
    assert deployment.home.stat().st_mode & OTHERS, "changed what may be meant"


def test_every_program_keeps_what_it_makes_private() -> None:
    folders = ("dagster_mongo", "gradio_ui", "parivision_core", "parivision_assets", "parivision_serving", "deploy")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    programs = {
        str(p.relative_to(ROOT)): p.read_text() for p in files if '\nif __name__ == "__main__":\n' in p.read_text()
    }
    assert set(programs) > WITHOUT_STATE
    for name in set(programs) - WITHOUT_STATE:
        assert '\nif __name__ == "__main__":\n    keep_private()\n' in programs[name], name
