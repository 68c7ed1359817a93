"""The images: the copied files exist and are complete, and the images start the same services as `make up`."""

from __future__ import annotations

import fnmatch
import json
import logging.config
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from docker.utils.build import exclude_paths
from honcho.environ import parse_procfile

from deploy import supervisor, up
from deploy.environment import QUIET, ROOT
from deploy.ports import taken
from gradio_ui import __main__ as page_alone
from parivision_core.settings import Settings
from parivision_serving.settings import ServiceSettings
from parivision_serving.virtual_bets.app import create_app as create_feed
from parivision_serving.web import process as served_alone
from tests.helpers.containers import (
    BUILT,
    DOCKER,
    FILE,
    IMAGES,
    SERVICES,
    bare,
    command,
    copies,
    health_check,
    image_env,
    imported,
    in_app,
    last,
    option,
    packages_of,
    published,
    site_packages,
    stages,
    target,
)
from tests.helpers.processes import PATIENCE, free_ports, until

LOCAL_HOSTS = "127.0.0.1:*,localhost:*"
"""Without names MLflow would take all that begin as a private address does, such as 10.example.com."""


@pytest.mark.parametrize("name", BUILT)
def test_a_build_has_its_file_and_its_stage(name: str) -> None:
    build = SERVICES[name]["build"]
    assert (FILE.parent / build["context"] / build["dockerfile"]).samefile(DOCKER / "Dockerfile")
    assert build["target"] in stages()


def test_copied_files_exist_and_are_in_the_build_context() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    seen = exclude_paths(str(ROOT), [line for line in lines if line and not line.startswith("#")])
    sources = {source for stage in stages() for files, _ in copies(stage) for source in files}
    assert len(sources) > 10
    for source in sources:
        assert (ROOT / source).exists(), source
        assert source in seen, f"{source} is left out by .dockerignore"
    kept_out = [p for p in seen if re.match(r"(\.env|\.git|\.parivision|\.venv|tests)\b", p) or "__pycache__" in p]
    assert not kept_out


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_has_every_package_that_its_packages_import(image: str) -> None:
    ours = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    there = packages_of(image)
    for package in there:
        for path in (ROOT / package).rglob("*.py"):
            if path.is_relative_to(DOCKER):
                continue
            assert imported(path) & ours <= there, f"{path.relative_to(ROOT)} in the image {image}"


def test_variables_that_disable_telemetry_are_those_of_make_up() -> None:
    for image in IMAGES:
        assert QUIET.items() <= image_env(image).items()


def test_images_are_built_with_the_uv_version_of_the_makefile() -> None:
    version = re.search(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert version
    assert ("ARG", f"UV_VERSION={version[1]}") in stages()["build"]


@pytest.mark.parametrize("image", IMAGES)
def test_packages_have_hashes_and_are_never_compiled(image: str) -> None:
    runs = [rest for kind, rest in stages()[f"build-{image}"] if kind == "RUN"]
    first, second = runs
    assert f"uv pip install --only-binary :all: --require-hashes -r requirements-{image}.lock" in first
    assert second.endswith("uv pip install --no-deps .")
    kinds = [kind for kind, _ in stages()[image]]
    assert "RUN" not in kinds  # nothing is installed in the final image
    assert stages()[image][1] == ("COPY", f"--from=build-{image} /opt/parivision /opt/parivision")


def test_dagster_is_started_as_by_make_up_but_for_its_address() -> None:
    ours = parse_procfile((DOCKER / "Procfile").read_text("utf-8")).processes
    theirs = parse_procfile((ROOT / "Procfile").read_text("utf-8")).processes
    assert list(ours) == ["code", "webserver", "daemon"]
    for name, line in ours.items():
        assert line.replace("--host 0.0.0.0", "--host 127.0.0.1") == theirs[name]
    assert "--host 0.0.0.0" in ours["webserver"]
    assert command("pipeline") == ["python", "-m", "deploy.up"]
    assert {"/app/Procfile", "/app/dagster.yaml", "/app/deploy/up.py"} <= in_app("pipeline")
    assert last("pipeline", "WORKDIR") == "/app"


def test_mlflow_is_started_as_by_make_up_but_for_its_places() -> None:
    ours = command("mlflow")
    line = parse_procfile((ROOT / "Procfile").read_text("utf-8")).processes["mlflow"]
    theirs = shlex.split(line)[shlex.split(line).index("mlflow") :]
    assert ours[:2] == theirs[:2]
    given = {word for word in theirs if word.startswith("--")} - {option(theirs, "--uvicorn-opts")}
    assert {word.split("=")[0] for word in ours[2:]} == given
    assert option(ours, "--allowed-hosts") == f"mlflow:5000,{LOCAL_HOSTS}"
    assert option(theirs, "--allowed-hosts") == f"${{MLFLOW_SERVER_ALLOWED_HOSTS:-{LOCAL_HOSTS}}}"
    for same in ("--workers", "--uvicorn-opts"):
        assert option(ours, same) == option(theirs, same)
    (port,) = published("mlflow")
    assert option(ours, "--port") == port["port"]
    assert option(ours, "--host") == "0.0.0.0"
    home = image_env("pipeline")["PARIVISION_HOME"]
    assert option(ours, "--backend-store-uri").startswith(f"sqlite:///{home}/")
    assert option(ours, "--artifacts-destination").startswith(f"{home}/")


def test_mlflow_answers_to_the_names_it_is_called_by() -> None:
    patterns = option(command("mlflow"), "--allowed-hosts").split(",")

    def allowed(host: str) -> bool:
        return any(fnmatch.fnmatch(host, pattern) for pattern in patterns)

    for name, variable in (("pipeline", "MLFLOW_TRACKING_URI"), ("api", "PARIVISION_REGISTRY_URL")):
        host = SERVICES[name]["environment"][variable].removeprefix("http://")
        assert host == f"mlflow:{Settings().mlflow_port}"
        assert allowed(host)
        assert "mlflow" in SERVICES[name]["depends_on"]
    assert allowed("127.0.0.1:5001")
    assert not allowed("elsewhere.example:5000")


def test_the_api_listens_to_other_machines_and_needs_a_key() -> None:
    assert command("api") == ["python", "-m", "parivision_serving"]
    settings = ServiceSettings.from_env(image_env("serving") | {"PARIVISION_API_KEY": "x"})
    (port,) = published("api")
    assert (settings.api_host, str(settings.api_port)) == ("0.0.0.0", port["port"])
    assert settings.needs_key


def test_the_feed_is_served_with_the_options_of_make_up() -> None:
    name = "virtual_bets"
    words = command(name)
    assert words[:2] == ["uvicorn", "--factory"]
    assert words[2] == f"{create_feed.__module__}:{create_feed.__name__}"
    (port,) = published(name)
    assert option(words, "--port") == port["port"]
    assert option(words, "--host") == "0.0.0.0"
    assert option(words, "--timeout-graceful-shutdown") == str(served_alone.GRACE_SECONDS)
    assert {option(words, "--log-config")} <= in_app("serving")
    protocol = served_alone.OPTIONS["http"]
    assert option(words, "--http") == f"{protocol.__module__}:{protocol.__name__}"
    assert option(words, "--ws") == served_alone.OPTIONS["ws"]
    assert not served_alone.OPTIONS["access_log"] and "--no-access-log" in words


def test_containers_log_in_the_format_of_the_services() -> None:
    config = json.loads((DOCKER / "log.json").read_text("utf-8"))
    source = Path(str(page_alone.__file__)).read_text("utf-8")
    logging.config.DictConfigurator(config).configure_formatter(config["formatters"]["line"])
    for value in config["formatters"]["line"].values():
        assert f'"{value}"' in source
    assert config["root"]["level"] == "INFO"
    assert config["loggers"] == {"httpx": {"level": "WARNING"}}
    assert 'getLogger("httpx").setLevel(logging.WARNING)' in source


def test_there_is_time_to_end() -> None:
    def grace(name: str) -> int:
        return int(SERVICES[name]["stop_grace_period"].removesuffix("s"))

    assert grace("pipeline") > supervisor.GRACE_SECONDS + 3
    assert grace("api") > served_alone.GRACE_SECONDS + 10
    assert grace("virtual_bets") > served_alone.GRACE_SECONDS + 3
    assert grace("ui") > page_alone.GRACE_SECONDS + 3


@pytest.mark.parametrize("name", BUILT)
def test_the_health_check_asks_what_make_up_asks(name: str) -> None:
    (port,) = published(name)
    sites = up.addresses(Settings(), {"ui", "api", "webserver", "mlflow", "feed"}).values()
    (address,) = (site for site in sites if site.variable == port["variable"])
    assert health_check(name) == ["CMD", "python", "-I", "-S", "/app/healthy.py", port["port"], address.health]
    assert "/app/healthy.py" in in_app(target(name))


@pytest.fixture
def server() -> Iterator[int]:
    """A service that is healthy on /well and nowhere else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/well" else 503)
            self.end_headers()
            self.wfile.write(b"so it is")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield http.server_port
        http.shutdown()


def healthy(port: int, path: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-I", "-S", str(DOCKER / "healthy.py"), str(port), path]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.process
def test_only_a_service_that_answers_200_is_healthy(server: int) -> None:
    well, ill, absent = healthy(server, "/well"), healthy(server, "/ill"), healthy(free_ports(1)[0], "/well")
    assert (well.returncode, well.stdout) == (0, "200 so it is\n")
    assert (ill.returncode, ill.stdout) == (1, "503 so it is\n")
    assert absent.returncode == 1
    assert "no response" in absent.stdout


@pytest.mark.process
def test_the_page_is_served_from_its_lock_alone_and_ends_well_with_a_visitor_on_it(tmp_path: Path) -> None:
    python, script, host = command("ui")
    assert (python, host) == ("python", "0.0.0.0")
    assert {script, "/app/log.json"} <= in_app("ui")
    (port,) = free_ports(1)
    env = {**bare(site_packages("ui", tmp_path)), "PARIVISION_UI_PORT": str(port)}
    page = subprocess.Popen(
        [sys.executable, "-S", str(DOCKER / Path(script).name), "127.0.0.1"],
        env=env | {"PARIVISION_HOME": str(tmp_path / "home"), "PARIVISION_API_URL": "http://127.0.0.1:9"},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: page.poll() is not None or taken(port), "the page listens")  # cheaper than the check itself
        until(lambda: page.poll() is not None or healthy(port, "/").returncode == 0, "the page answers")
        with httpx.stream("GET", f"http://127.0.0.1:{port}/gradio_api/heartbeat/visitor", timeout=PATIENCE) as visit:
            assert visit.status_code == 200
            page.send_signal(signal.SIGTERM)
            _, log = page.communicate(timeout=PATIENCE)
    finally:
        page.kill()
        page.communicate()
    assert page.returncode == -signal.SIGTERM
    assert " INFO    Application shutdown complete." in log
    assert "Traceback" not in log and "ERROR" not in log, log
