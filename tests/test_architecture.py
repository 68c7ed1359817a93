"""The house itself: which room may import which, what stays light, and what only basketball may name."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

ROOMS = ("parivision_core", "parivision_assets", "parivision_serving", "gradio_ui", "dagster_mongo")
ALLOWED = {
    "parivision_core": {"parivision_core"},
    "parivision_assets": {"parivision_assets", "parivision_core", "dagster_mongo"},
    "parivision_serving": {"parivision_serving", "parivision_core"},
    "gradio_ui": {"gradio_ui", "parivision_core"},
    "dagster_mongo": {"dagster_mongo"},
}
HEAVY = ("dagster", "gradio", "mlflow", "pandas", "xgboost", "sklearn")
BASKETBALL = re.compile(r"\b(zones?|foot|feet|court|basketball|hoop|rebound|dunk|three_point)\b", re.IGNORECASE)


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("room", [room for room in ROOMS if (ROOT / room).is_dir()])
def test_arrows_run_one_way(room: str) -> None:
    for path in sources(room):
        rooms = {name.split(".")[0] for name in imported(path)} & set(ROOMS)
        assert rooms <= ALLOWED[room], f"{path.relative_to(ROOT)} imports {rooms - ALLOWED[room]}"


def test_steps_know_no_dagster() -> None:
    for path in [*sources("parivision_assets/steps"), *sources("parivision_assets/feeds")]:
        assert not {name for name in imported(path) if name.split(".")[0] == "dagster"}, path


def test_what_the_service_needs_is_light() -> None:
    code = f"""
import sys
import parivision_serving.app
from parivision_core import bundle, scoring, settings
from parivision_core.tracking import registry
from parivision_core.nba.shots import NBA
from parivision_core.store import files
heavy = sorted({{name.split(".")[0] for name in sys.modules}} & {set(HEAVY)!r})
print(",".join(heavy))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == ""


def test_loading_the_code_location_imports_no_training_library() -> None:
    """The daemon, the webserver and every run load it: seconds of CPU each."""
    code = """
import sys, warnings
warnings.simplefilter("ignore")
import parivision_assets.definitions
heavy = {"mlflow", "pandas", "xgboost", "sklearn", "matplotlib"}
print(",".join(sorted({n.split(".")[0] for n in sys.modules} & heavy)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == ""


def test_basketball_is_named_in_one_folder_alone() -> None:
    for room in ("parivision_core", "parivision_assets", "parivision_serving"):
        for path in sources(room):
            if "nba" in path.relative_to(ROOT).parts:
                continue
            for number, line in enumerate(path.read_text().splitlines(), start=1):
                assert not BASKETBALL.search(line), f"{path.relative_to(ROOT)}:{number}: {line.strip()}"


def test_every_room_says_what_it_is_for() -> None:
    for room in ROOMS:
        for path in sources(room):
            assert ast.get_docstring(ast.parse(path.read_text())), f"{path.relative_to(ROOT)} has no docstring"
