"""Reads docker-compose.yml and the Dockerfile for tests: contents of a stage, command and environment of a service."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import sys
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.environment import ROOT

DOCKER = ROOT / "deploy" / "docker"
FILE = ROOT / "docker-compose.yml"
COMPOSE = yaml.safe_load(FILE.read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
BUILT = {name: service for name, service in SERVICES.items() if "build" in service}
IMAGES = ("pipeline", "serving", "ui")
PYTHON = "3.11"
"""The images' Python."""


SECRETS = {"MONGO_PASSWORD": "abc", "PARIVISION_API_KEY": "def"}
"""Variables that must be set in `.env`."""


def services(**env: str) -> dict[str, dict[str, Any]]:
    """The services as docker compose starts them when exactly these variables are set."""

    def value(match: re.Match[str]) -> str:
        name, operator, otherwise = match.groups()
        assert env.get(name) or operator == ":-", f"{name} must be set"
        return env.get(name) or str(otherwise)

    text = re.sub(r"(?<!\$)\$\{(\w+)(?:(:[-?])([^}]*))?\}", value, FILE.read_text("utf-8"))
    found: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]
    for service in found.values():
        given = service.get("environment", {})
        service["environment"] = {
            n: env.get(n) if v is None else v for n, v in given.items() if v is not None or n in env
        }
    return found


@cache
def stages() -> dict[str, list[tuple[str, str]]]:
    """Instructions of each stage of the Dockerfile, its FROM first."""
    text = re.sub(r"^\s*#.*\n", "", (DOCKER / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    found: dict[str, list[tuple[str, str]]] = {}
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            name = rest.split()[-1]
            found[name] = []
        found[name].append((instruction, rest.strip()))
    return found


def lineage(stage: str) -> list[tuple[str, str]]:
    """Instructions of a stage, after those of the stages it is based on."""
    below = stages()[stage][0][1].split()[0]
    return (lineage(below) if below in stages() else []) + stages()[stage]


def last(stage: str, instruction: str) -> str:
    return [rest for kind, rest in lineage(stage) if kind == instruction][-1]


def copies(stage: str) -> list[tuple[list[str], str]]:
    """Files that a stage copies from the project: sources, with patterns expanded, and target."""
    found = []
    for kind, rest in lineage(stage):
        words = [w for w in rest.split() if not w.startswith("--chmod")]
        if kind == "COPY" and not words[0].startswith("--from"):
            sources = [hit for w in words[:-1] for hit in (sorted(map(str, ROOT.glob(w))) if "*" in w else [w])]
            found.append(([str(Path(s).relative_to(ROOT)) if "*" in rest else s for s in sources], words[-1]))
    return found


def in_app(target: str) -> set[str]:
    """Files below /app in a final image, by their path in the container."""
    where = {"./": "/app", "deploy/": "/app/deploy"}
    return {f"{where[to]}/{Path(source).name}" for sources, to in copies(target) for source in sources}


def image_env(target: str) -> dict[str, str]:
    pairs = (shlex.split(rest) for kind, rest in lineage(target) if kind == "ENV")
    return dict(word.split("=", 1) for words in pairs for word in words)


def packages_of(target: str) -> set[str]:
    """The project's packages in an image: the installed ones, and the launcher."""
    installed = {s for sources, _ in copies(f"build-{target}") for s in sources if (ROOT / s / "__init__.py").exists()}
    return installed | ({"deploy"} if any(to == "deploy/" for _, to in copies(target)) else set())


@cache
def locked(name: str) -> dict[str, str]:
    """Versions, by name, that a lock installs in an image."""
    env = {**default_environment(), "sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    env |= {"python_version": PYTHON, "python_full_version": f"{PYTHON}.1", "platform_machine": "x86_64"}
    env |= {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    found: dict[str, str] = {}
    for line in re.findall(r"^([\w.-]+==[^\\\n]+?)\s*\\$", (ROOT / name).read_text("utf-8"), re.MULTILINE):
        requirement = Requirement(line)
        if not requirement.marker or requirement.marker.evaluate({k: str(v) for k, v in env.items()}):
            assert canonicalize_name(requirement.name) not in found, line
            found[canonicalize_name(requirement.name)] = str(requirement.specifier)
    return found


def image_lock(image: str) -> dict[str, str]:
    return locked(f"deploy/docker/requirements-{image}.lock")


def site_packages(image: str, folder: Path) -> Path:
    """A folder of links to an image's packages: those of its lock and the project's. Namespaces are linked whole."""
    if not sys.version.startswith(f"{PYTHON}."):
        pytest.skip(f"the image has Python {PYTHON}, which needs other packages than this Python")
    packages = folder / "site-packages"
    packages.mkdir()
    links = {package: ROOT / package for package in packages_of(image)}
    for name in image_lock(image):
        found = distribution(name)
        links |= {f.parts[0]: Path(str(found.locate_file(f.parts[0]))) for f in found.files or () if f.parts[0] != ".."}
    for name, place in links.items():
        (packages / name).symlink_to(place)
    return packages


def bare(packages: Path) -> dict[str, str]:
    """The environment in which `python -S` finds only these packages and Python's own library."""
    return {"PYTHONPATH": str(packages), "PATH": os.defpath, "HOME": str(packages.parent)}


def target(service: str) -> str:
    return str(SERVICES[service]["build"]["target"])


def command(service: str) -> list[str]:
    given = SERVICES[service].get("command")
    return list(given) if given else list(json.loads(last(target(service), "CMD")))


def health_check(service: str) -> list[str]:
    given = services(**SECRETS)[service].get("healthcheck")
    if given:
        return list(given["test"])
    check = last(target(service), "HEALTHCHECK")
    return ["CMD", *json.loads(check[check.index("[") :])]


def published(service: str) -> list[re.Match[str]]:
    outside = r"(?P<host>[\d.]+):\$\{(?P<variable>\w+):-(?P<default>\d+)\}"
    pattern = re.compile(rf"{outside}:(?:\$\{{(?P=variable):-)?(?P<port>\d+)\}}?")
    found = [pattern.fullmatch(port) for port in SERVICES[service].get("ports", [])]
    assert all(found), SERVICES[service]["ports"]
    return [match for match in found if match]


def option(words: list[str], name: str) -> str:
    """The value of a command's option, written with or without an equals sign."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == name:
            return following
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    raise AssertionError(f"{name} isn't in {words}")


@cache
def imported(path: Path) -> set[str]:
    """Top-level modules that a file imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found
