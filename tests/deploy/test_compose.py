"""docker-compose.yml, as far as it can be checked without Docker: names exist, and values that must agree do."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from dataclasses import fields
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pymongo.uri_parser import parse_uri

from deploy.environment import QUIET, ROOT
from deploy.feeds import simulates
from parivision_core.settings import INBOX, LOOPBACK, VIRTUAL_BETS, Settings
from parivision_serving.settings import ServiceSettings
from parivision_serving.virtual_bets.settings import VirtualBetsSettings
from tests.helpers.containers import (
    BUILT,
    COMPOSE,
    DOCKER,
    FILE,
    SECRETS,
    SERVICES,
    command,
    health_check,
    image_env,
    last,
    lineage,
    option,
    published,
    services,
    stages,
    target,
)

SETTINGS = {
    f.metadata["variable"]: f.default for f in (*fields(ServiceSettings), *fields(VirtualBetsSettings)) if f.metadata
}
OTHERS = {
    "MONGO_PASSWORD": "part of PARIVISION_MONGO_URL; mongo's health check sets it as the user's password",
    **dict.fromkeys(QUIET, "set by `make up` too"),
    "PYTHONDONTWRITEBYTECODE": "nothing can be written beside the code",
    "PYTHONWARNINGS": "as in the Procfile",
    "OMP_NUM_THREADS": "as in the Procfile",
    "GIT_PYTHON_REFRESH": "MLflow's GitPython looks for git, which isn't installed",
    "HOME": "a folder that can be written",
    "PATH": "the virtual environment first",
}
"""Variables that aren't settings of PariVision, with their purpose."""


def docker_compose() -> list[str] | None:
    """The command of Docker Compose, where it is installed; parsing the file needs no engine."""
    if not shutil.which("docker"):
        return None
    there = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
    return ["docker", "compose", "--project-directory", str(ROOT), "--env-file", os.devnull] if there else None


def test_docker_accepts_it_and_asks_for_the_password() -> None:
    if not (docker := docker_compose()):
        pytest.skip("docker compose isn't installed")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PARIVISION_", "MONGO_"))}
    config = [*docker, "config", "--quiet"]
    given = subprocess.run(config, env=env | SECRETS, capture_output=True, text=True, check=False)
    assert given.returncode == 0, given.stderr
    missing = subprocess.run(config, env=env, capture_output=True, text=True, check=False)
    assert missing.returncode != 0
    assert "set it in .env" in missing.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_restarts_has_a_health_check_and_time_to_end(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["init"] is True
    assert service["logging"]["options"]["max-size"]
    assert re.fullmatch(r"\d+s", service["stop_grace_period"])
    assert health_check(name)[0] == "CMD"


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_on_this_machine_alone(name: str) -> None:
    for port in published(name):
        assert port["host"] == "127.0.0.1"


def test_published_ports_are_those_of_make_up() -> None:
    assert {name: [p["variable"] for p in published(name)] for name in SERVICES if published(name)} == {
        "mlflow": ["PARIVISION_MLFLOW_PORT"],
        "pipeline": ["PARIVISION_DAGSTER_PORT"],
        "api": ["PARIVISION_API_PORT"],
        "ui": ["PARIVISION_UI_PORT"],
        "virtual_bets": ["PARIVISION_FEED_PORT"],
    }
    for port in (p for name in SERVICES for p in published(name)):
        assert int(port["default"]) == int(port["port"]) == SETTINGS[port["variable"]]


def test_images_are_named_with_a_version() -> None:
    named = [s["image"] for s in SERVICES.values() if "image" in s]
    named += [i[0][1].split()[0] for i in stages().values() if i[0][1].split()[0] not in stages()]
    assert named
    for image in named:
        assert re.search(r":\d", image), image


def test_no_password_is_written_down() -> None:
    assert ":?" in SERVICES["mongo"]["environment"]["MONGO_PASSWORD"]
    text = FILE.read_text("utf-8")
    assert len(re.findall(r"^[^#\n]*\$\{MONGO_PASSWORD", text, re.MULTILINE)) == 2
    assert "${MONGO_PASSWORD}" not in text
    assert "${MONGO_PASSWORD:-" not in text
    for name in ("api", "ui"):
        assert ":?" in SERVICES[name]["environment"]["PARIVISION_API_KEY"]


@pytest.mark.parametrize("name", BUILT)
def test_our_containers_have_no_capabilities(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last(target(name), "USER"))
    assert lineage(target(name))[-1][0] == "CMD"


@pytest.mark.parametrize("name", SERVICES)
def test_variables_are_settings_or_explained(name: str) -> None:
    variables = set(SERVICES[name].get("environment", {}))
    if name in BUILT:
        variables |= set(image_env(target(name)))
    unknown = variables - set(SETTINGS) - set(OTHERS)
    assert not unknown


def test_variables_that_compose_replaces_are_settings_too() -> None:
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", FILE.read_text("utf-8")))
    assert used - set(SETTINGS) == {"MONGO_PASSWORD"}


def test_volumes_and_networks_are_declared_and_used() -> None:
    mounted = [volume for s in services(**SECRETS).values() for volume in s.get("volumes", ())]
    used = {volume.split(":")[0] for volume in mounted}
    assert {volume for volume in used if not volume.startswith(".")} == set(COMPOSE["volumes"])
    for folder in (volume for volume in used if volume.startswith(".")):
        assert (ROOT / folder).is_dir()
    assert {n for s in SERVICES.values() for n in s.get("networks", ["default"])} == set(COMPOSE["networks"])


@pytest.mark.parametrize("name", BUILT)
def test_state_is_in_volumes_whose_folders_the_image_has(name: str) -> None:
    mounted = {volume.split(":")[1] for volume in services(**SECRETS)[name].get("volumes", ())}
    env = image_env(target(name))
    home = Path(env["PARIVISION_HOME"])
    if name == "ui":  # which keeps no state
        assert str(home.parent) in SERVICES[name]["tmpfs"]
    else:
        assert str(home) in mounted
    assert name != "pipeline" or env["PARIVISION_INBOX"] in mounted
    made = next(rest for kind, rest in stages()["base"] if kind == "RUN" and "install --directory" in rest)
    for folder in mounted:
        assert re.search(rf"{folder}( |$)", made), folder
    assert f"--mode=700 {home}" in made or name == "ui"


def test_links_use_addresses_that_a_browser_can_reach() -> None:
    ports = {"PARIVISION_DAGSTER_PORT": "3111", "PARIVISION_MLFLOW_PORT": "5111"}
    there = services(**SECRETS, **ports)
    pipeline = Settings.from_env(there["pipeline"]["environment"])
    api = Settings.from_env(there["api"]["environment"])
    pages = ((pipeline.dagster_page, "pipeline"), (pipeline.mlflow_page, "mlflow"), (api.mlflow_page, "mlflow"))
    for page, service in pages:
        (mapping,) = there[service]["ports"]
        assert page == f"http://{mapping.rpartition(':')[0]}"
    assert pipeline.registry_url == api.registry_url == "http://mlflow:5000"
    assert there["pipeline"]["ports"] == ["127.0.0.1:3111:3111"]  # it listens on PARIVISION_DAGSTER_PORT inside too
    assert "3111" in there["pipeline"]["healthcheck"]["test"]


def test_the_feed_is_the_inbox_unless_another_is_named() -> None:
    def pipeline(**env: str) -> Settings:
        return Settings.from_env(services(**SECRETS, **env)["pipeline"]["environment"])

    assert pipeline().feeds == (INBOX,)
    assert pipeline(PARIVISION_FEED="inbox,virtual_bets").feeds == (INBOX, VIRTUAL_BETS)
    assert pipeline().feed_url == f"http://virtual_bets:{option(command('virtual_bets'), '--port')}"
    assert not simulates(pipeline(PARIVISION_FEED=VIRTUAL_BETS))  # otherwise the launcher would start one of its own


def test_only_the_simulated_feed_has_a_profile() -> None:
    assert {n: s["profiles"] for n, s in SERVICES.items() if "profiles" in s} == {"virtual_bets": [VIRTUAL_BETS]}
    assert not any("virtual_bets" in s.get("depends_on", ()) for s in SERVICES.values())
    head = FILE.read_text("utf-8").partition("name:")[0]
    for variable in ("COMPOSE_PROFILES", "PARIVISION_FEED"):
        assert f"#   {variable}={VIRTUAL_BETS}\n" in head


def test_settings_in_dotenv_reach_the_containers() -> None:
    chosen = {
        "pipeline": {"PARIVISION_RETRAIN_SHOTS": "5", "PARIVISION_SLACK_TOKEN": "x", "PARIVISION_SLACK_CHANNEL": "c"},
        "virtual_bets": {f.metadata["variable"]: "1" for f in fields(VirtualBetsSettings) if f.metadata},
    }
    del chosen["virtual_bets"]["VIRTUAL_BETS_FILE"]  # a path of this machine, which isn't in the container
    for name, env in chosen.items():
        assert env.items() <= services(**SECRETS, **env)[name]["environment"].items()


def test_the_page_is_configured_for_the_api() -> None:
    there = services(**SECRETS)
    page, api = Settings.from_env(there["ui"]["environment"]), there["api"]["environment"]
    (port,) = published("api")
    assert page.api_url == f"http://api:{port['port']}"
    assert page.api_key == api["PARIVISION_API_KEY"] == SECRETS["PARIVISION_API_KEY"]
    assert not ServiceSettings.from_env(api | image_env("serving")).hosts
    assert "api" in SERVICES["ui"]["depends_on"]


def test_services_take_the_names_by_which_browsers_and_containers_ask_them() -> None:
    there = services(**SECRETS)
    page, pipeline = (Settings.from_env(there[name]["environment"]) for name in ("ui", "pipeline"))
    assert page.known_ui_hosts("0.0.0.0") == pipeline.known_dagster_hosts == LOOPBACK
    feed = VirtualBetsSettings.from_env(there["virtual_bets"]["environment"])
    assert feed.known_hosts == LOOPBACK | {urlsplit(pipeline.feed_url).hostname}


MONGO = SERVICES["mongo"]
READY = (DOCKER / "mongo" / "ready.js").read_text("utf-8")
START = (DOCKER / "mongo" / "start.sh").read_text("utf-8")


def test_only_services_that_use_mongo_can_reach_it() -> None:
    assert COMPOSE["networks"]["store"] == {"internal": True}
    assert MONGO["networks"] == ["store"]
    users = {name for name, s in SERVICES.items() if "PARIVISION_MONGO_URL" in s["environment"]}
    assert users == {name for name, s in SERVICES.items() if "store" in s.get("networks", ()) and name != "mongo"}
    for name in users:
        assert SERVICES[name]["depends_on"]["mongo"] == {"condition": "service_healthy"}
        assert "default" in SERVICES[name]["networks"]


@pytest.mark.parametrize("name", ["pipeline", "api"])
def test_the_login_is_the_user_that_the_health_check_creates(name: str) -> None:
    given = SERVICES[name]["environment"]["PARIVISION_MONGO_URL"]
    url = parse_uri(re.sub(r"\$\{MONGO_PASSWORD[^}]*\}", "abc", given))
    assert url["nodelist"] == [(MONGO["hostname"], 27017)]
    assert f'host: "{MONGO["hostname"]}:27017"' in READY
    assert f'_id: "{url["options"]["replicaSet"]}", members' in READY
    assert option(MONGO["command"], "--replSet") == url["options"]["replicaSet"]
    assert f'user: "{url["username"]}"' in READY
    assert f'role: "readWrite", db: "{url["database"]}"' in READY
    assert "process.env.MONGO_PASSWORD" in READY
    assert f"27017/{url['options']['authSource']}" in READY


def test_the_files_of_mongo_are_mounted_where_it_expects_them() -> None:
    mounts = dict(reversed(volume.split(":")[:2]) for volume in MONGO["volumes"])
    for path in (MONGO["entrypoint"][-1], MONGO["healthcheck"]["test"][-1]):
        folder, file = path.rsplit("/", 1)
        assert (ROOT / mounts[folder] / file).is_file()
    key = option(MONGO["command"], "--keyFile")
    folder, name = key.rsplit("/", 1)
    assert mounts[folder] in COMPOSE["volumes"]
    assert f"for secret in {name} " in START
    assert f'"{folder}/root-password"' in READY


def test_secrets_are_created_once_and_only_the_owner_can_read_them(tmp_path: Path) -> None:
    script = tmp_path / "start.sh"
    script.write_text(START.replace("/data/configdb", str(tmp_path)))
    for stub, text in {"chown": "", "docker-entrypoint.sh": 'echo "$@"'}.items():
        (tmp_path / stub).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / stub).chmod(0o755)

    def start() -> tuple[str, ...]:
        env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        done = subprocess.run(["sh", script, "mongod", "--x"], env=env, capture_output=True, text=True, check=True)
        assert done.stdout == "mongod --x\n"
        return tuple((tmp_path / name).read_text() for name in ("keyfile", "root-password"))

    key, password = start()
    assert re.fullmatch(r"[A-Za-z0-9+/]{64}", key)  # mongod takes 6 to 1024 of these
    assert key != password
    for name in ("keyfile", "root-password"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o400
    assert start() == (key, password)
