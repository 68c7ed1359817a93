"""The structure of the code: who may import what, what stays light, and which names belong to basketball alone."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections import defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import dagster as dg
import pytest

from tests.helpers.paths import ROOT

PACKAGES = ("parivision_core", "parivision_assets", "parivision_serving", "gradio_ui", "dagster_mongo")
ALLOWED = {
    "parivision_core": {"parivision_core"},
    "parivision_assets": {"parivision_assets", "parivision_core", "dagster_mongo"},
    "parivision_serving": {"parivision_serving", "parivision_core"},
    "gradio_ui": {"gradio_ui", "parivision_core"},
    "dagster_mongo": {"dagster_mongo"},
}
LAYERS = {
    "parivision_core": (
        "arrays < checksums < problems < records < settings < scoring < arrow < sport < fields < store "
        "< prediction_log < bundle < tracking < nba",
    ),
    "parivision_assets": (
        "feeds < steps < tracking < orchestration < resources < defs < definitions < commands",
        "orchestration < resources < alerting < definitions",
        "reporting < defs < commands",
    ),
    "parivision_assets.steps": ("clusters < feed < features < training < promotion < monitoring",),
    "parivision_serving": (
        "settings < web < prediction_log < prediction < monitoring < routes < app < __main__",
        "settings < web < client",
        "settings < web < virtual_bets",
    ),
    "gradio_ui": (
        "client < charts < tabs < app < __main__",
        "words < charts < tabs < app",
        "look < charts < tabs < app",
    ),
}
"""Package -> chains of its parts, the lowest first. A part may import those to its left in one of its chains."""
PRIVATE_DAGSTER = {
    "dagster._core.definitions.unresolved_asset_job_definition": "the type of what define_asset_job returns",
    "dagster._core.errors": "the error of a code server that can't be reached",
    "dagster._core.launcher": "the results of a run launcher's health check",
    "dagster._core.storage.asset_check_execution_record": "the status by which alerts read failed checks",
    "dagster._core.storage.tags": "the tag with the code server of a run",
    "dagster._core.workspace.context": "the webserver's view of the code locations, as its own command makes it",
    "dagster._core.workspace.load_target": "the workspace file that names them",
    "dagster._grpc.client": "asking the code server whether it still executes a run",
    "dagster._grpc.types": "the question to the code server, and its answer",
    "dagster._utils.log": "the loggers of a webserver and, in tests, of a code server",
    # Not imported: how Dagster prints a dg.Failure, which the logs shorten.
    "dagster._core.definitions.events": "the name of dg.Failure in a traceback",
    # In tests only.
    "dagster._core.definitions.asset_daemon_cursor": "automation conditions evaluated as by the daemon",
    "dagster._core.events": "a failed run, as Dagster records it",
    "dagster._core.instance": "the stores that dagster.yaml configures",
    "dagster._core.remote_origin": "a run of this code location or of another",
    "dagster._core.remote_representation.external_data": "all that Dagster's pages can show of the definitions",
    "dagster._core.test_utils": "Dagster's records and its scheduler at times that tests choose",
    "dagster._core.types.loadable_target_origin": "the place of the schedule that the scheduler evaluates",
    "dagster._scheduler.scheduler": "the schedule on days on which the clock changes",
    "dagster._utils.error": "a failed run, as Dagster records it",
}
"""Module -> what it is needed for. Nothing public does the same, so each upgrade of Dagster has to be looked at."""
PRIVATE = re.compile(r"\bdagster(?:\.[a-z]\w*)*\._[a-z]\w*(?:\.[a-z_]\w*)*")
HEAVY = ("dagster", "gradio", "mlflow", "pandas", "xgboost", "sklearn")
BASKETBALL = re.compile(r"\b(zones?|foot|feet|court|basketball|hoop|rebound|dunk|three_point)\b", re.IGNORECASE)


@cache
def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imported(path: Path) -> frozenset[str]:
    """What a file imports, also within functions; `from a import b` is `a.b`, whether b is a module or not."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


@cache
def private_dagster() -> dict[str, list[Path]]:
    """Private modules of Dagster that code, tests or configuration name, with the files that do."""
    files = [path for folder in (*PACKAGES, "benchmarks", "deploy", "docs", "tests") for path in sources(folder)]
    files += [*ROOT.glob("*.y*ml"), *ROOT.glob("deploy/**/*.y*ml")]
    found = defaultdict(list)
    for path in files:
        for name in sorted(set(PRIVATE.findall(path.read_text()))) if path != Path(__file__) else ():
            found[name].append(path)
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_those_below_it(package: str) -> None:
    for path in sources(package):
        used = {name.split(".")[0] for name in imported(path)} & set(PACKAGES)
        assert used <= ALLOWED[package], f"{path.relative_to(ROOT)} imports {used - ALLOWED[package]}"


@pytest.mark.parametrize("package", LAYERS)
def test_imports_within_a_package_run_downwards(package: str) -> None:
    chains = [chain.split(" < ") for chain in LAYERS[package]]
    below = {(part, lower) for chain in chains for at, part in enumerate(chain) for lower in chain[:at]}
    prefix = f"{package}."
    for path in sources(package.replace(".", "/")):
        part = module_of(path).removeprefix(prefix).split(".")[0]
        for name in sorted(imported(path)):
            lower = name.removeprefix(prefix).split(".")[0]
            if name.startswith(prefix) and lower != part and module_of(path) != package:
                assert (part, lower) in below, f"{path.relative_to(ROOT)} imports {name}: {lower} isn't below {part}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    paths = {module_of(path): path for package in PACKAGES for path in sources(package)}

    def used(path: Path) -> set[str]:
        return {name if name in paths else name.rpartition(".")[0] for name in imported(path)}

    try:
        TopologicalSorter({m: used(path) & paths.keys() - {m} for m, path in paths.items()}).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other: {' <- '.join(error.args[1])}")


def test_steps_and_feeds_do_not_import_dagster() -> None:
    for path in [*sources("parivision_assets/steps"), *sources("parivision_assets/feeds")]:
        assert not {name for name in imported(path) if name.split(".")[0] == "dagster"}, path


def test_private_modules_of_dagster_are_named_with_a_reason() -> None:
    found = private_dagster()
    new = {name: [str(path) for path in users] for name, users in found.items() if name not in PRIVATE_DAGSTER}
    assert not new, f"use something public of Dagster, or add to PRIVATE_DAGSTER with a reason: {new}"
    assert not PRIVATE_DAGSTER.keys() - found.keys(), "no longer used: remove from PRIVATE_DAGSTER"


@pytest.mark.parametrize("module", PRIVATE_DAGSTER)
def test_dagster_still_has_the_private_names_that_are_used(module: str) -> None:
    problem = f"Dagster {dg.__version__} has changed {module}, which is needed for {PRIVATE_DAGSTER[module]}"
    try:
        content = vars(importlib.import_module(module))
    except ImportError as error:
        pytest.fail(f"{problem}: {error}")
    for path in private_dagster().get(module, ()):
        for owner, _, member in (name.rpartition(".") for name in imported(path)):
            assert owner != module or member in content, f"{problem}: no {member}, see {path.relative_to(ROOT)}"


@pytest.mark.process
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


@pytest.mark.process
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


def test_basketball_is_named_in_one_folder_only() -> None:
    for package in ("parivision_core", "parivision_assets", "parivision_serving"):
        for path in sources(package):
            if "nba" in path.relative_to(ROOT).parts:
                continue
            for number, line in enumerate(path.read_text().splitlines(), start=1):
                assert not BASKETBALL.search(line), f"{path.relative_to(ROOT)}:{number}: {line.strip()}"


def test_every_module_has_a_docstring() -> None:
    for package in PACKAGES:
        for path in sources(package):
            assert ast.get_docstring(tree_of(path)), f"{path.relative_to(ROOT)} has no docstring"


def test_no_two_classes_have_the_same_name() -> None:
    found = defaultdict(set)
    for package in PACKAGES:
        for path in sources(package):
            for node in ast.walk(tree_of(path)):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found[node.name].add(str(path.relative_to(ROOT)))
    assert not {name: sorted(paths) for name, paths in found.items() if len(paths) > 1}


def test_no_test_file_imports_another() -> None:
    """What several of them need is in tests/helpers or in a conftest."""
    for path in sources("tests"):
        other = re.search(
            r"^\s*(from|import) tests\.([\w.]+ import )?([\w.]+\.)?test_.*", path.read_text(), re.MULTILINE
        )
        assert not other, f"{path.relative_to(ROOT)}: {other and other[0].strip()}"
