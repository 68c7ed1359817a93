"""The README keeps its word: its commands exist, its links lead somewhere, its settings are real.

`make test` and `make lint` are what CI runs; `make up`, the copy into the inbox and every curl command are run as they
stand in tests/deploy/test_real_up.py.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from parivision_serving.settings import ServiceSettings
from tests.helpers.documents import README, commands
from tests.helpers.paths import ROOT

VARIABLES = {f.metadata["variable"] for f in fields(ServiceSettings)} | {"DAGSTER_HOME", "PARIVISION_TEST_DATA"}


def test_the_two_commands_are_there() -> None:
    assert {"make up", "make test"} <= set(commands())


@pytest.mark.parametrize("command", [c for c in commands() if re.search(r"\bmake\b", c)])
def test_make_knows_its_targets(command: str) -> None:
    done = subprocess.run(command.replace("make", "make -n", 1), shell=True, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_other_command_is_one_that_is_run_end_to_end() -> None:
    others = [c for c in commands() if not re.search(r"\bmake\b", c)]
    assert others
    assert all(c.startswith(("curl ", "cp NBA_")) for c in others), others


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!http)([^)]+)\)", README.read_text())
    assert targets
    assert all((ROOT / target).exists() for target in targets)


def test_a_list_is_one_point_a_line() -> None:
    prose = re.sub(r"```.*?```|`[^`]*`", "", README.read_text(), flags=re.DOTALL)
    assert not re.findall(r"^.*\S (?:\* |  +\S).*$", prose, flags=re.MULTILINE), "a list that was run together"


def test_settings_named_are_settings() -> None:
    named = set(re.findall(r"\b(?:PARIVISION|MLFLOW|DAGSTER)_[A-Z_]+\b", README.read_text()))
    assert named <= VARIABLES, named - VARIABLES


def test_every_room_is_on_the_map() -> None:
    rooms = {p.parent.name for p in ROOT.glob("*/__init__.py")} - {"tests"}
    assert all(f"[`{room}`]({room})" in README.read_text() for room in rooms), rooms


def test_no_address_of_a_package_host_is_recorded() -> None:
    for lock in [ROOT / "requirements.lock", *Path(ROOT / "deploy").glob("*.lock")]:
        assert "://" not in lock.read_text()
