"""Dagster's and MLflow's servers, started as by `make up`, in a browser that also shows pages of other origins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import psutil
import pytest
from honcho.environ import parse_procfile

from deploy.environment import QUIET, ROOT
from tests.helpers.foreign_pages import DrivenPage, foreign_page, rebound_page
from tests.helpers.processes import free_port, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LOGS = 'subscription{capturedLogs(logKey:["none"]){stdout}}'
"""A subscription with a first message at once."""
STATE = "{instance{autoMaterializePaused}}"
"""A state of Dagster's instance that needs no code location; at first it is true."""


@contextmanager
def serving(name: str, health: str, **environ: str) -> Iterator[None]:
    """A line of the Procfile as a process, once it answers."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PARIVISION_", "MLFLOW_", "DAGSTER_"))}
    path = os.pathsep.join((str(Path(sys.executable).parent), kept["PATH"]))
    process = subprocess.Popen(
        parse_procfile((ROOT / "Procfile").read_text("utf-8")).processes[name],
        shell=True,
        cwd=ROOT,
        env=kept | QUIET | {"PATH": path} | environ,
    )

    def answers() -> bool:
        assert process.poll() is None, f"{name} has ended"
        try:
            return httpx.get(health, timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    try:
        until(answers, f"{name} answers")
        yield
    finally:
        everything = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for one in everything:
            one.terminate()
        psutil.wait_procs(everything, timeout=20)
        process.wait()


@pytest.fixture(scope="module")
def dagster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of Dagster's webserver, without any code location."""
    folder, port = tmp_path_factory.mktemp("dagster"), free_port()
    (folder / "dagster.yaml").touch()
    (folder / "workspace.yaml").write_text("load_from: []\n")
    variables = {
        "DAGSTER_HOME": str(folder),
        "UP_WORKSPACE": str(folder / "workspace.yaml"),
        "PARIVISION_DAGSTER_PORT": str(port),
    }
    with serving("webserver", f"http://127.0.0.1:{port}/server_info", **variables):
        yield port


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of MLflow's server, with a model of two versions whose champion is the first."""
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    variables = {
        "MLFLOW_ALLOW_FILE_STORE": "true",  # creating SQLite's tables costs many CPU seconds
        "UP_TRACKING_STORE": f"file://{folder}/runs",
        "UP_ARTIFACTS": str(folder / "artifacts"),
        "PARIVISION_MLFLOW_PORT": str(port),
    }
    with serving("mlflow", f"http://127.0.0.1:{port}/health", **variables):
        for path, body in (
            ("registered-models/create", {"name": "shots"}),
            *2 * [("model-versions/create", {"name": "shots", "source": "s3://bucket/bundle"})],
            ("registered-models/alias", json.loads(alias_of(1))),
        ):
            httpx.post(f"{api(port)}/{path}", json=body, timeout=20).raise_for_status()
        yield port


def pause(paused: bool) -> str:
    return f"mutation{{setAutoMaterializePaused(paused:{str(paused).lower()})}}"


def is_paused(port: int) -> bool:
    """Dagster's state, asked for by a program: no browser's headers."""
    answer = httpx.post(f"http://127.0.0.1:{port}/graphql", json={"query": STATE}, timeout=20)
    return bool(answer.json()["data"]["instance"]["autoMaterializePaused"])


def api(port: int) -> str:
    return f"http://127.0.0.1:{port}/api/2.0/mlflow"


def alias_of(version: int) -> str:
    return json.dumps({"name": "shots", "alias": "champion", "version": str(version)})


def champion(port: int) -> str:
    """The version that MLflow's alias names, asked for by a program."""
    answer = httpx.get(f"{api(port)}/registered-models/alias", params={"name": "shots", "alias": "champion"})
    return str(answer.json()["model_version"]["version"])


@pytest.mark.process
def test_no_page_of_another_origin_changes_dagster(browser: Browser, dagster: int) -> None:
    url = f"http://127.0.0.1:{dagster}/graphql"
    by_query, by_body = f"{url}?query={quote(pause(False))}", json.dumps({"query": pause(False)})
    for host in ("evil.example", "127.0.0.1"):  # another site, and another program's page on this machine
        with foreign_page(browser, host) as foreign:
            foreign.call("image", by_query)
            assert foreign.answered(1) == {405}
            for kind in ("text/plain;x=application/json", "application/x-www-form-urlencoded", ""):
                foreign.call("send", url, by_body, kind)
                foreign.call("send", by_query, "x", kind)
            assert foreign.answered(6) == {403}
            assert foreign.call("sendJson", url, by_body) == [0, ""]
            assert foreign.call("subscribe", url.replace("http", "ws"), LOGS) == "refused"
            assert foreign.submit(by_query, by_body) == 403
            assert foreign.submit(f"http://127.0.0.1:{dagster}/report_asset_materialization/shots", "{}") == 403
    with rebound_page(browser, dagster) as foreign:
        assert foreign.call("sendJson", "/graphql", by_body)[0] == 421
        assert foreign.call("subscribe", "/graphql", LOGS) == "refused"
    assert is_paused(dagster)


@pytest.mark.process
def test_dagsters_own_page_works_with_its_queries_subscriptions_and_changes(browser: Browser, dagster: int) -> None:
    page = browser.new_page()
    statuses: set[int] = set()
    page.on("response", lambda response: statuses.add(response.status))
    frames: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))))
    page.goto(f"http://127.0.0.1:{dagster}/runs")
    page.get_by_text("No runs found").wait_for()
    until(lambda: page.wait_for_timeout(10) or any("connection_ack" in frame for frame in frames), "the page's socket")
    own = DrivenPage(page)
    assert own.call("subscribe", "/graphql", LOGS) == "data"
    assert own.call("sendJson", "/graphql", json.dumps({"query": pause(False)}))[0] == 200
    assert statuses == {200}
    assert not is_paused(dagster)
    page.close()


@pytest.mark.slow
@pytest.mark.process
def test_no_page_of_another_origin_changes_mlflow(browser: Browser, mlflow: int) -> None:
    url = f"{api(mlflow)}/registered-models/alias"
    ajax = url.replace("/api/", "/ajax-api/")
    for host in ("evil.example", "127.0.0.1", "localhost"):
        with foreign_page(browser, host) as foreign:
            foreign.call("send", url, alias_of(2), "text/plain")
            foreign.call("send", ajax, alias_of(2), "")
            assert foreign.answered(2) == {403}
            assert foreign.submit(url, alias_of(2)) == 403
            assert foreign.call("sendJson", url, alias_of(2)) == [0, ""]
    for host in ("evil.example", "10.evil.example"):  # which begins like an address of a private network
        with rebound_page(browser, mlflow, host) as foreign:
            path = url.partition(str(mlflow))[2]
            assert foreign.call("sendJson", path, alias_of(2))[0] == 403
            assert foreign.call("sendJson", f"{path}?name=shots&alias=champion", None, "GET")[0] == 403
    assert champion(mlflow) == "1"


@pytest.mark.slow
@pytest.mark.process
def test_mlflows_own_page_works(browser: Browser, mlflow: int) -> None:
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{mlflow}/#/models")
    page.get_by_text("shots").first.wait_for()
    alias = "/ajax-api/2.0/mlflow/registered-models/alias"
    assert DrivenPage(page).call("sendJson", alias, alias_of(2))[0] == 200
    assert champion(mlflow) == "2"
    page.close()
