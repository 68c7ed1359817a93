"""The documentation stays true: its commands exist, its links lead somewhere, its names are those of the code.

`make test` and `make lint` are what CI runs; `make up`, the copy into the inbox and every curl command are run as they
stand in tests/deploy/test_real_up.py.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest
import yaml

from parivision_serving.settings import ServiceSettings
from parivision_serving.virtual_bets.settings import VirtualBetsSettings
from tests.helpers.documents import PAGES, README, commands, prose
from tests.helpers.paths import ROOT

VARIABLES = {f.metadata["variable"] for f in (*fields(ServiceSettings), *fields(VirtualBetsSettings)) if f.metadata} | {
    "DAGSTER_HOME",
    "MLFLOW_SERVER_ALLOWED_HOSTS",
    "PARIVISION_TEST_DATA",
    "PARIVISION_TEST_MONGO_URL",
}
RUN_END_TO_END = ("curl ", "cp NBA_")
"""By tests/deploy/test_real_up.py."""
RETIRED = r"house|reign\w*|thrones?|crowned|deposed|dethroned|journals?|tonight|neighbours?"
LONGEST_README = 180
OURS = (
    "parivision_core",
    "parivision_assets",
    "parivision_serving",
    "gradio_ui",
    "dagster_mongo",
    "deploy",
    "benchmarks",
)
ELSEWHERE = {
    *("SHOT_MADE_FLAG", "HTM", "PR_SET_PDEATHSIG", "no_proxy", "mongodump"),
    *("gr.Plot", "uuid.uuid7", "litestar.plugins.problem_details"),
    *("unseen_log_loss", "clicked_spot_log_loss", "spot_and_clock_alone_log_loss", "validation_log_loss"),
    "official_record_without_kind_log_loss",
}
"""Names in backticks that don't stand in the code: things that were left, other people's tools, and names of metrics
that are put together from two words."""

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@cache
def tracked() -> tuple[str, ...]:
    """Every file of the project, as git lists it with what is new."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return tuple(name for name in names if (ROOT / name).is_file())


@cache
def words_of_the_code() -> frozenset[str]:
    """Every word that stands in a file of ours which is no page and no test of pages."""
    ends = (
        ".py",
        ".yml",
        ".yaml",
        ".toml",
        ".json",
        "Makefile",
        "Procfile",
        ".env.example",
        ".css",
        ".js",
        "Dockerfile",
    )
    files = [name for name in tracked() if name.endswith(ends) and name != "tests/test_docs.py"]
    return frozenset(word for name in files for word in re.findall(r"\w+", (ROOT / name).read_text("utf-8")))


def in_backticks(page: Path) -> list[str]:
    return sorted(set(re.findall(r"`([^`\n]+)`", prose(page))))


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    text = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower())
    return text.strip().replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)}


def test_the_two_commands_are_there() -> None:
    assert {"make up", "make test"} <= set(commands([README]))


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= LONGEST_README


@pytest.mark.process
@pytest.mark.parametrize("command", [c for c in commands() if re.search(r"\bmake\b", c)])
def test_make_knows_its_targets(command: str) -> None:
    done = subprocess.run(command.replace("make", "make -n", 1), shell=True, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [c for c in commands() if "python -m" in c])
def test_modules_that_are_run_exist_with_their_options(command: str) -> None:
    assert command.startswith(".venv/bin/python -m ")
    name, *arguments = command.split()[2:]
    found = importlib.util.find_spec(name)
    assert found is not None, name
    if found.submodule_search_locations:
        found = importlib.util.find_spec(f"{name}.__main__")
    assert found is not None and found.origin is not None, f"{name} can't be run"
    if name == "pytest":
        assert all((ROOT / argument).exists() for argument in arguments), arguments
        return
    source = Path(found.origin).read_text()
    assert "__main__" in found.origin or "__name__ ==" in source
    assert all(f'"{option}"' in source for option in arguments if option.startswith("--"))


def test_compose_is_asked_for_services_that_it_has() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    asked = [c for c in commands() if c.startswith("docker ")]
    assert asked
    for command in asked:
        assert re.match(r"docker compose (up|cp) ", command), command
        assert set(re.findall(r" (\w+):/", command)) <= set(services), command


def test_every_other_command_is_one_that_is_run() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    others = [c for c in commands() if not re.search(r"\bmake\b|^\.venv/bin/python -m |^docker compose ", c)]
    unknown = [c for c in others if not c.startswith(RUN_END_TO_END) and c not in workflow]
    assert not unknown
    assert {c.split()[0] for c in others} == {"curl", "cp", "echo", ".ci/run"}


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!http)([^)]+)\)", prose(page))
    assert targets
    for target in targets:
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@each_page
def test_files_and_modules_that_are_named_exist(page: Path) -> None:
    folders = {name.split("/")[0] for name in tracked() if "/" in name}
    last_parts = {name.rpartition("/")[2] for name in tracked()}
    for text in in_backticks(page):
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)+", text) and text.split("/")[0] in folders:
            assert (ROOT / text).exists(), text
        elif re.fullmatch(r"[\w-]+\.(py|md|yml|toml|lock)", text):
            assert text in last_parts or text == "bundle.json", text
        elif text.split(".")[0] in OURS and re.fullmatch(r"\w+(\.\w+)+", text):
            assert importlib.util.find_spec(text) is not None, text


@each_page
def test_names_are_those_of_the_code(page: Path) -> None:
    """A name that was changed in the code can't stay behind here."""
    named = [text for text in in_backticks(page) if re.fullmatch(r"[A-Za-z_][\w.]*(\(\))?", text)]
    unknown = {
        text
        for text in named
        if text not in ELSEWHERE and not text.endswith((".py", ".md", ".toml"))
        for part in text.removesuffix("()").strip(".").split(".")
        if not {part, part.removesuffix("_total")} & words_of_the_code()  # a counter ends so in /metrics
    }
    assert not unknown


@each_page
def test_names_stand_in_the_files_that_are_named_with_them(page: Path) -> None:
    text = re.sub(r"\s+", " ", prose(page))
    pairs = re.findall(r"`(\w+)` (?:in |\()`([\w/]+\.py)`", text)
    for name, file in pairs:
        defined = re.compile(rf"^\s*(?:async def |def |class )?{name}\b|= {name} =", re.MULTILINE)
        assert "/" not in file or defined.search((ROOT / file).read_text()), f"{name} in {file}"


def test_routes_that_are_named_exist(tmp_path: Path) -> None:
    from parivision_serving.app import create_app
    from parivision_serving.virtual_bets.app import create_app as create_feed

    feed = create_feed(VirtualBetsSettings(home=tmp_path))
    apps = (create_app(ServiceSettings(home=tmp_path).resolved()), feed)
    paths = [route.path for app in apps for route in app.routes]
    known = [re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path) + "/?") for path in paths]
    assert any(path.startswith("/api/v1/predict") for path in paths)
    for page in PAGES:
        text = page.read_text()
        named = re.findall(r"\b(?:GET|POST|DELETE) (/[\w/{}.-]*)", text)
        named += re.findall(r"127\.0\.0\.1:(?:8000|8800)(/[\w/.-]*)", text)
        named += re.findall(r"`(/(?:api|health|schema)/[\w/{}.-]+)`", text)
        for route in named:
            assert any(pattern.fullmatch(route) for pattern in known), f"{page.name}: {route}"


@each_page
def test_a_list_is_one_point_a_line(page: Path) -> None:
    text = re.sub(r"`[^`]*`", "", prose(page))
    assert not re.findall(r"^(?!\|).*\S (?:\* |  +\S).*$", text, flags=re.MULTILINE), "a list that was run together"


@each_page
def test_settings_named_are_settings(page: Path) -> None:
    named = set(re.findall(r"\b(?:PARIVISION|MLFLOW|DAGSTER|VIRTUAL_BETS)_[A-Z_]+[A-Z]\b", page.read_text()))
    assert named <= VARIABLES, named - VARIABLES


def test_every_setting_is_named_for_operators() -> None:
    text = (ROOT / "docs" / "production.md").read_text()
    assert not {name for name in VARIABLES if "_TEST_" not in name and name not in text}


@each_page
def test_no_retired_word_is_left(page: Path) -> None:
    found = [line for line in page.read_text().splitlines() if re.search(rf"\b({RETIRED})\b", line, re.IGNORECASE)]
    assert not found


def test_every_package_is_on_the_map() -> None:
    packages = {p.parent.name for p in ROOT.glob("*/__init__.py")} | {"tests", "docs"}
    assert all(f"[`{name}`]({name})" in README.read_text() for name in packages), packages


def test_every_page_is_linked_from_the_readme_and_says_what_it_answers() -> None:
    for page in PAGES[1:]:
        assert f"({page.relative_to(ROOT)})" in README.read_text(), page.name
        title, empty, first, *_ = page.read_text().splitlines()
        assert title.startswith("# ") and not empty and first[0].isalpha(), page.name


def test_no_address_of_a_package_host_is_recorded() -> None:
    for lock in [ROOT / "requirements.lock", *Path(ROOT / "deploy").glob("*.lock")]:
        assert "://" not in lock.read_text()
