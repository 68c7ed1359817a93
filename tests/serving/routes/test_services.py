"""GET /api/v1/services: who is up, asked side by side, within a limit, and not too often."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from parivision_core.nba.shots import NBA
from parivision_core.problems import StoreError
from parivision_core.settings import INBOX, VIRTUAL_BETS, Settings
from parivision_core.store import open_files
from parivision_serving.monitoring import services
from parivision_serving.monitoring.services import ServiceProbes
from parivision_serving.routes.services import services_route
from tests.helpers.mongo_server import free_port
from tests.helpers.small_app import client_of, operation

SERVICES = "/api/v1/services"


class Deployment:
    """One HTTP server that plays all parts; it answers 200 and its world to the paths it is given, else 404."""

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.world = {
            "world": "simulation 4, seed 1, calm",
            "scenario": "calm",
            "days_a_minute": 30.0,
            "today": "2024-03-05",
        }
        self.asked: list[str] = []
        self.hang = threading.Event()
        self.hang.set()
        deployment = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                deployment.asked.append(self.path)
                deployment.hang.wait(20)
                said = json.dumps(deployment.world).encode()
                self.send_response(200 if self.path in deployment.paths else 404)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self.hang.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    made = Deployment()
    yield made
    made.stop()


def settings_of(deployment: Deployment, home: Path) -> Settings:
    return Settings(
        home=home,
        registry_url=f"http://somebody:secret@127.0.0.1:{deployment.port}",
        feed=VIRTUAL_BETS,
        feed_url=f"http://127.0.0.1:{deployment.port}",
        dagster_port=deployment.port,
        ui_port=free_port(),
    ).resolved()


def told(settings: Settings, prediction_log: Any = lambda: None, store: Any = None) -> dict[str, Any]:
    """The services by name."""
    around = ServiceProbes(settings, NBA, store or open_files(settings.home, NBA), prediction_log)
    with client_of(services_route(around)) as client:
        answer = client.get(SERVICES)
    assert answer.status_code == 200
    assert "secret" not in answer.text
    return {service["name"]: service for service in answer.json()}


def test_each_part_is_up_or_down(deployment: Deployment, tmp_path: Path) -> None:
    deployment.paths |= {"/health", "/status"}
    found = told(settings_of(deployment, tmp_path))
    assert list(found) == ["mlflow", "dagster", "feed", "page", "store", "prediction_log"]
    assert {name for name, service in found.items() if service["up"]} == {"mlflow", "feed", "store", "prediction_log"}
    assert found["mlflow"]["address"] == f"http://127.0.0.1:{deployment.port}"
    assert "answers 404 to /server_info" in found["dagster"]["problem"]
    assert found["page"]["problem"] == "nothing answers there; is it running?"
    assert all((service["problem"] is None) == service["up"] for service in found.values())
    assert found["feed"]["told"] == (
        "simulates a league of real teams and invented players, scenario calm, 30 days a minute; "
        "it is 5 March 2024 there"
    )
    deployment.world["waits"] = True
    assert told(settings_of(deployment, tmp_path))["feed"]["told"].endswith(
        "there, and it waits until its batches are read"
    )
    assert {service["told"] for name, service in found.items() if name != "feed"} == {None}
    assert found["store"]["address"].startswith(str(tmp_path))


def test_a_feed_that_replays_a_file_says_so(deployment: Deployment, tmp_path: Path) -> None:
    deployment.paths |= {"/status"}
    deployment.world["world"] = "file 0123456789abcdef"
    found = told(settings_of(deployment, tmp_path))["feed"]
    assert found["told"].startswith("replays a file of real shots, 30 days a minute")


def test_virtual_bets_is_no_part_of_a_platform_that_reads_files(deployment: Deployment, tmp_path: Path) -> None:
    assert "feed" not in told(replace(settings_of(deployment, tmp_path), feed=INBOX))


def test_what_is_no_feed_counts_as_down(deployment: Deployment, tmp_path: Path) -> None:
    deployment.paths |= {"/status"}
    deployment.world.clear()
    found = told(settings_of(deployment, tmp_path))["feed"]
    assert (found["up"], found["told"]) == (False, None)
    assert "something else to /status" in found["problem"]


def test_a_password_of_the_database_is_not_shown(deployment: Deployment, tmp_path: Path) -> None:
    settings = replace(settings_of(deployment, tmp_path), mongo_url="mongodb://u:secret@db:27017/parivision")
    found = told(settings, store=open_files(tmp_path, NBA))
    assert found["prediction_log"]["address"] == "mongodb://db:27017/parivision (nba)"


def test_a_broken_store_says_why(deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_files(tmp_path, NBA)

    def broken(*_: Any) -> Any:
        raise StoreError("the disk is gone; mount it again")

    monkeypatch.setattr(store, "feature_state_stamp", broken)
    found = told(settings_of(deployment, tmp_path), prediction_log=broken, store=store)
    for name in ("store", "prediction_log"):
        assert (found[name]["up"], found[name]["problem"]) == (False, "the disk is gone; mount it again")


def test_who_hangs_is_given_up_and_holds_nobody_up(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "LIMIT_SECONDS", 0.3)
    deployment.hang.clear()
    stuck = threading.Event()
    found = told(settings_of(deployment, tmp_path), prediction_log=lambda: stuck.wait(20))
    stuck.set()
    assert {name for name, service in found.items() if not service["up"]} == {
        "mlflow",
        "dagster",
        "feed",
        "page",
        "prediction_log",
    }
    for name in ("mlflow", "dagster", "feed", "prediction_log"):
        assert found[name]["problem"] == "gave no answer within 0.3 seconds"


def test_neighbours_are_not_hammered(deployment: Deployment, tmp_path: Path) -> None:
    around = ServiceProbes(settings_of(deployment, tmp_path), NBA, open_files(tmp_path, NBA), lambda: None)
    with client_of(services_route(around)) as client:
        began = time.monotonic()
        answers = [client.get(SERVICES).json() for _ in range(20)]
        rounds = 1 + int((time.monotonic() - began) / 2)
        operation(client, "get", SERVICES)
    assert deployment.asked.count("/health") <= rounds
    assert len({str(answer) for answer in answers}) <= rounds
