"""The workflow on GitHub: it runs `.ci/run` like any machine, and the files, services and routes it names exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from packaging.specifiers import SpecifierSet
from pymongo.uri_parser import parse_uri

from deploy.environment import ROOT
from deploy.up import addresses
from parivision_core.nba.shots import NBA
from parivision_core.settings import FEEDS, INBOX, VIRTUAL_BETS, Settings
from parivision_core.store import open_store
from tests.helpers.batches import manifest, shots_of

FILE = ROOT / ".github" / "workflows" / "ci.yml"
WORKFLOW = yaml.safe_load(FILE.read_text("utf-8"))
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
STEPS = [step for job in JOBS.values() for step in job["steps"]]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SEASON = next(step["run"] for step in STEPS if "season" in step.get("name", ""))
WAIT = next(step["run"] for step in STEPS if "simulated feed" in step.get("name", "") and "exec" in step["run"])
FEED = "inbox,virtual_bets"


def runs(job: str) -> str:
    return "\n".join(step["run"] for step in JOBS[job]["steps"] if "run" in step)


def test_it_runs_for_every_push_and_may_only_read() -> None:
    assert set(WORKFLOW[True]) == {"push", "pull_request"}  # YAML 1.1 takes `on` for a truth value
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert WORKFLOW["concurrency"]["group"]
    assert not any("permissions" in job for job in JOBS.values())
    assert "secrets." not in FILE.read_text("utf-8")


@pytest.mark.parametrize("job", JOBS)
def test_every_job_has_a_time_out_and_pinned_actions(job: str) -> None:
    assert JOBS[job]["timeout-minutes"] <= 60
    for step in JOBS[job]["steps"]:
        if "uses" in step:
            assert re.fullmatch(r"actions/[\w-]+@(v\d+(\.\d+){0,2}|[0-9a-f]{40})", step["uses"])
    checkout = JOBS[job]["steps"][0]
    assert checkout["uses"].startswith("actions/checkout@")
    assert checkout["with"]["persist-credentials"] is False


def test_the_ci_script_is_run_with_a_supported_python() -> None:
    assert ".ci/run" in runs("checks").splitlines()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    (python,) = (s["with"]["python-version"] for s in STEPS if "setup-python" in s.get("uses", ""))
    wanted = re.search(r'^requires-python = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert wanted
    assert f"{python}.0" in SpecifierSet(wanted[1])


def test_the_tests_use_the_mongo_of_the_compose_file_as_a_replica_set() -> None:
    (step,) = (s for s in JOBS["checks"]["steps"] if s.get("run") == ".ci/run")
    ((variable, url),) = step["env"].items()
    assert f'"{variable}"' in (ROOT / "tests" / "conftest.py").read_text("utf-8")
    found = parse_uri(url)
    (host, port), name = found["nodelist"][0], found["options"]["replicaSet"]
    started = runs("checks")
    assert f"--publish {host}:{port}:27017" in started
    assert f"{COMPOSE['services']['mongo']['image']} mongod --replSet {name}" in started
    assert f'_id: "{name}", members: [{{_id: 0, host: "{host}:{port}"}}]' in started


def test_containers_are_checked_built_started_tested_and_removed() -> None:
    words = runs("containers")
    order = ["config --quiet", "build", "up --detach --wait", "/health/live", "/inbox", "down --volumes"]
    places = [words.index(word) for word in order]
    assert places == sorted(places)
    assert JOBS["containers"]["steps"][-1]["if"] == "always()"


def test_every_address_is_one_that_a_service_answers() -> None:
    sites = addresses(Settings(), {"ui", "api", "webserver", "mlflow", "feed"}).values()
    known = {f"{site.port}{site.health}" for site in sites}
    (urls,) = re.findall(r"for url in (.+); do", runs("containers"))
    assert set(urls.split()) == known
    routes = set(re.findall(r"127\.0\.0\.1:8000(/[\w/]+)", runs("containers")))
    assert routes == {"/health/ready", "/api/v1/predict"}
    for route in routes:
        assert f'"{route}"' in "".join(p.read_text("utf-8") for p in (ROOT / "parivision_serving").rglob("*.py"))


def test_services_and_variables_are_those_of_the_compose_file() -> None:
    words = runs("containers")
    assert set(re.findall(r"docker compose (?:exec -T|cp) (\w+)", words)) <= set(COMPOSE["services"])
    (password,) = COMPOSE["services"]["mongo"]["environment"]
    (profile,) = COMPOSE["services"]["virtual_bets"]["profiles"]
    chosen = re.findall(r'echo "(\w+)=(.*)" >> .env', words)
    made = "$(openssl rand -hex 24)"
    secrets = [(password, made), ("PARIVISION_API_KEY", made)]
    assert chosen == [*secrets, ("COMPOSE_PROFILES", profile), ("PARIVISION_FEED", FEED)]
    assert set(Settings(feed=FEED).feeds) == set(FEEDS)


@pytest.mark.parametrize("step", [s["run"] for s in STEPS if "run" in s])
def test_steps_are_shell_and_name_files_that_exist(step: str) -> None:
    done = subprocess.run(["bash", "-n"], input=step, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for path in re.findall(r"(?<![\w./:-])(?:tests|deploy|\.ci)/[\w./-]+", step):
        assert (ROOT / path).exists(), path


def test_the_script_that_writes_a_season_works(tmp_path: Path) -> None:
    making = SEASON[: SEASON.index("timeout")]
    here = making.replace("docker compose exec -T pipeline python -", f"{sys.executable} -").replace(
        "/inbox", str(tmp_path)
    )
    assert here.count(str(tmp_path)) == 1
    subprocess.run(["bash", "-euo", "pipefail", "-c", here], check=True, cwd=ROOT)
    (season,) = tmp_path.iterdir()
    assert len(season.read_text().splitlines()) == 160 * 100 + 1


def test_the_workflow_waits_for_a_batch_of_the_simulated_feed(tmp_path: Path) -> None:
    env = {**os.environ, "PARIVISION_HOME": str(tmp_path), "PARIVISION_MONGO_URL": ""}
    store = open_store(Settings.from_env(env), NBA)

    here = WAIT.replace("docker compose exec -T pipeline timeout 300 python", f"timeout 60 {sys.executable}")
    here = here.replace("time.sleep(5)", "raise SystemExit(9)")  # in place of the next check
    assert "docker" not in here and "SystemExit" in here
    for feed, code in ((INBOX, 9), (VIRTUAL_BETS, 0)):
        store.commit_batch(msgspec.structs.replace(manifest(feed), feed=feed), shots_of(feed), [])
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", here], check=False, cwd=ROOT, env=env)
        assert done.returncode == code
