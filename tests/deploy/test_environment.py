"""The environment of the services: `.env.example` lists every setting, `.env` is read, and paths are absolute."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from honcho.environ import parse

from deploy.environment import ROOT, for_services, with_dotenv
from parivision_core.settings import Settings
from parivision_serving.settings import ServiceSettings
from parivision_serving.virtual_bets.settings import VirtualBetsSettings

EXAMPLE = (ROOT / ".env.example").read_text("utf-8")


def test_the_example_explains_every_setting_with_its_default_and_nothing_else() -> None:
    shown = re.findall(r"^# (.+)\n# ([A-Z_]+)=(.*)$", EXAMPLE, flags=re.MULTILINE)
    named = re.findall(r"^# ?([A-Z_]+)=", EXAMPLE, flags=re.MULTILINE)
    expected = {
        f.metadata["variable"]: (f.metadata["help"], "" if f.default in {Path(), None} else str(f.default))
        for f in (*fields(ServiceSettings), *fields(VirtualBetsSettings))
        if f.metadata
    }
    assert {variable: (explanation, default) for explanation, variable, default in shown} == expected
    assert sorted(named) == sorted(expected)


def test_the_example_uncommented_is_the_default() -> None:
    uncommented = re.sub(r"^# ([A-Z_]+=)", r"\1", EXAMPLE, flags=re.MULTILINE)
    assert Settings.from_env(parse(uncommented)) == Settings.from_env({})


def test_dotenv_is_read_and_a_variable_set_for_one_command_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PARIVISION_API_PORT=8111\nPARIVISION_MLFLOW_PORT=5111\n")
    environ = with_dotenv({"PARIVISION_API_PORT": "8222"}, tmp_path)
    settings = Settings.from_env(environ)
    assert (settings.api_port, settings.mlflow_port) == (8222, 5111)


def test_every_path_is_absolute_because_services_run_in_another_folder() -> None:
    environ = {"PARIVISION_HOME": "here", "PARIVISION_INBOX": "in", "MLFLOW_TRACKING_URI": "sqlite:///runs.db"}
    env = for_services(environ, Settings.from_env(environ))
    assert Path(env["PARIVISION_HOME"]).is_absolute()
    assert Path(env["PARIVISION_INBOX"]) == Path("in").absolute()
    assert env["DAGSTER_HOME"] == str(Path("here/dagster").absolute())
    assert env["MLFLOW_TRACKING_URI"] == f"sqlite:///{Path('runs.db').absolute()}"


def test_the_tracking_uri_is_passed_on_only_if_it_is_set() -> None:
    assert "MLFLOW_TRACKING_URI" not in for_services({}, Settings.from_env({}))


def test_a_dagster_home_of_ones_own_is_kept() -> None:
    assert for_services({"DAGSTER_HOME": "/srv/dagster"}, Settings.from_env({}))["DAGSTER_HOME"] == "/srv/dagster"


@pytest.mark.process
def test_the_state_that_is_removed_is_the_one_that_dotenv_names(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("parivision_core", "parivision_assets", "parivision_serving"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".env").write_text("PARIVISION_HOME=.real\n")
    here, other = tmp_path / ".real", tmp_path / ".parivision"
    here.mkdir()
    other.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PARIVISION_")}

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command = ["make", "clean-state", "STAMP=", f"PYTHON={sys.executable}", *options]
        return subprocess.run(command, cwd=tmp_path, env=kept, capture_output=True, text=True, check=False)

    asked = run()
    assert asked.returncode != 0
    assert f"in {here}." in asked.stderr
    assert here.exists()
    done = run("YES=1")
    assert done.returncode == 0, done.stderr
    assert (here.exists(), other.exists()) == (False, True)
