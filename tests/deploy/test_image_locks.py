"""One lock for each image: the tested versions of all packages that the image needs, and no others."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, packages_distributions
from pathlib import Path

import pytest
from honcho.environ import parse_procfile
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.environment import ROOT
from tests.helpers.containers import (
    BUILT,
    DOCKER,
    IMAGES,
    PYTHON,
    bare,
    command,
    image_lock,
    imported,
    locked,
    packages_of,
    site_packages,
    stages,
    target,
)


def test_the_images_have_the_python_that_the_locks_are_read_for() -> None:
    bases = {instructions[0][1].split()[0] for instructions in stages().values()} - set(stages())
    assert bases == {f"python:{PYTHON}-slim"}


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_gets_the_versions_that_are_tested(image: str) -> None:
    ours, tested = image_lock(image), locked("requirements.lock")
    assert len(ours) > 20
    assert {name: tested.get(name) for name in ours} == ours


@pytest.mark.parametrize("image", IMAGES)
def test_no_address_is_in_a_lock(image: str) -> None:
    text = (DOCKER / f"requirements-{image}.lock").read_text("utf-8")
    assert "://" not in text
    assert "--index-url" not in text


@pytest.mark.parametrize("image", IMAGES)
def test_a_lock_has_the_packages_of_its_extra_and_no_tools(image: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + extras[image]
    names = {canonicalize_name(Requirement(line).name) for line in wanted}
    assert names <= set(image_lock(image))
    tools = {canonicalize_name(Requirement(line).name) for line in extras["dev"]} - names
    others = {canonicalize_name(Requirement(line).name) for extra in IMAGES for line in extras[extra]} - names
    assert not {"pytest", "ruff", "mypy"} & set(image_lock(image))
    assert tools & set(image_lock(image)) <= {"psutil"}  # which MLflow or Dagster needs
    brought = {"serving": set[str](), "ui": {"pandas", "uvicorn"}}  # by Gradio
    assert image == "pipeline" or others & set(image_lock(image)) == brought[image]


def imports(image: str) -> set[str]:
    """Third-party modules that the project's packages in an image import, anywhere in a file."""
    files = [
        path for package in packages_of(image) for path in (ROOT / package).rglob("*.py") if DOCKER not in path.parents
    ]
    return set[str]().union(*map(imported, files)) - sys.stdlib_module_names - packages_of(image)


def test_what_the_pipeline_imports_is_in_its_lock() -> None:
    known = packages_distributions()
    assert {"honcho", "mlflow", "dagster"} <= imports("pipeline")
    for name in imports("pipeline"):
        assert {canonicalize_name(d) for d in known[name]} & set(image_lock("pipeline")), name


@pytest.mark.process
def test_all_services_of_the_serving_image_load_from_its_lock_alone(tmp_path: Path) -> None:
    """Only those modules of the core that they import, since others belong to the pipeline and need its libraries."""
    files = [path.relative_to(ROOT).with_suffix("") for path in (ROOT / "parivision_serving").rglob("*.py")]
    modules = sorted(".".join(file.parts).removesuffix(".__init__") for file in files)
    assert {"parivision_serving.app", "parivision_serving.virtual_bets.app"} <= set(modules)
    words = [sys.executable, "-S", "-c", f"import {', '.join(modules)}, parivision_core.store.mongo"]
    env = bare(site_packages("serving", tmp_path))
    done = subprocess.run(words, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_programs_come_from_packages_that_the_image_has() -> None:
    lines = parse_procfile((DOCKER / "Procfile").read_text("utf-8")).processes.values()
    programs = {("pipeline", shlex.split(line)[1]) for line in lines}
    programs |= {(target(name), command(name)[0]) for name in BUILT}
    programs -= {(image, "python") for image in IMAGES}
    assert len(programs) == 4
    for image, program in programs:
        makers = {p.dist.name for p in entry_points(group="console_scripts", name=program) if p.dist}
        assert {canonicalize_name(name) for name in makers} & set(image_lock(image)), program
