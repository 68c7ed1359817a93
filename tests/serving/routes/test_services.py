"""GET /api/v1/services: which services are up; probed at the same time, within a limit, and not too often."""

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
from tests.helpers.processes import free_port
from tests.helpers.small_app import client_of, operation

SERVICES = "/api/v1/services"


class FakeServices:
    """One HTTP server in place of all services; it answers 200 and its status to known paths, else 404."""

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.status = {
            "source": "simulation 4, seed 1, calm",
            "scenario": "calm",
            "days_a_minute": 30.0,
            "today": "2024-03-05",
        }
        self.requests: list[str] = []
        self.hang = threading.Event()
        self.hang.set()
        services_stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                services_stub.requests.append(self.path)
                services_stub.hang.wait(20)
                reply = json.dumps(services_stub.status).encode()
                self.send_response(200 if self.path in services_stub.paths else 404)
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

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
def services_stub() -> Iterator[FakeServices]:
    made = FakeServices()
    yield made
    made.stop()


def settings_of(services_stub: FakeServices, home: Path) -> Settings:
    return Settings(
        home=home,
        registry_url=f"http://user:secret@127.0.0.1:{services_stub.port}",
        feed=VIRTUAL_BETS,
        feed_url=f"http://127.0.0.1:{services_stub.port}",
        dagster_port=services_stub.port,
        ui_port=free_port(),
    ).resolved()


def services_of(settings: Settings, prediction_log: Any = lambda: None, store: Any = None) -> dict[str, Any]:
    """The services by name."""
    around = ServiceProbes(settings, NBA, store or open_files(settings.home, NBA), prediction_log)
    with client_of(services_route(around)) as client:
        answer = client.get(SERVICES)
    assert answer.status_code == 200
    assert "secret" not in answer.text
    return {service["name"]: service for service in answer.json()}


def test_each_service_is_up_or_down(services_stub: FakeServices, tmp_path: Path) -> None:
    services_stub.paths |= {"/health", "/status"}
    found = services_of(settings_of(services_stub, tmp_path))
    assert list(found) == ["mlflow", "dagster", "feed", "page", "store", "prediction_log"]
    assert {name for name, service in found.items() if service["up"]} == {"mlflow", "feed", "store", "prediction_log"}
    assert found["mlflow"]["address"] == f"http://127.0.0.1:{services_stub.port}"
    assert "answers 404 to /server_info" in found["dagster"]["problem"]
    assert found["page"]["problem"] == "nothing answers at this address; is the service running?"
    assert all((service["problem"] is None) == service["up"] for service in found.values())
    assert found["feed"]["details"] == (
        "simulates a league of real teams and invented players, scenario calm, 30 days a minute; "
        "it is 5 March 2024 there"
    )
    services_stub.status["waits"] = True
    assert services_of(settings_of(services_stub, tmp_path))["feed"]["details"].endswith(
        "there, and it waits until its batches are read"
    )
    assert {service["details"] for name, service in found.items() if name != "feed"} == {None}
    assert found["store"]["address"].startswith(str(tmp_path))


def test_a_feed_that_replays_a_file_is_shown_so(services_stub: FakeServices, tmp_path: Path) -> None:
    services_stub.paths |= {"/status"}
    services_stub.status["source"] = "file 0123456789abcdef"
    found = services_of(settings_of(services_stub, tmp_path))["feed"]
    assert found["details"].startswith("replays a file of real shots, 30 days a minute")


def test_virtual_bets_is_no_part_of_a_platform_that_reads_files(services_stub: FakeServices, tmp_path: Path) -> None:
    assert "feed" not in services_of(replace(settings_of(services_stub, tmp_path), feed=INBOX))


def test_another_program_at_the_feeds_address_counts_as_down(services_stub: FakeServices, tmp_path: Path) -> None:
    services_stub.paths |= {"/status"}
    services_stub.status.clear()
    found = services_of(settings_of(services_stub, tmp_path))["feed"]
    assert (found["up"], found["details"]) == (False, None)
    assert "an unexpected answer to /status" in found["problem"]


def test_a_password_of_the_database_is_not_shown(services_stub: FakeServices, tmp_path: Path) -> None:
    settings = replace(settings_of(services_stub, tmp_path), mongo_url="mongodb://u:secret@db:27017/parivision")
    found = services_of(settings, store=open_files(tmp_path, NBA))
    assert found["prediction_log"]["address"] == "mongodb://db:27017/parivision (nba)"


def test_a_broken_store_is_reported_with_the_reason(
    services_stub: FakeServices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_files(tmp_path, NBA)

    def broken(*_: Any) -> Any:
        raise StoreError("the disk is gone; mount it again")

    monkeypatch.setattr(store, "feature_state_stamp", broken)
    found = services_of(settings_of(services_stub, tmp_path), prediction_log=broken, store=store)
    for name in ("store", "prediction_log"):
        assert (found[name]["up"], found[name]["problem"]) == (False, "the disk is gone; mount it again")


def test_a_service_that_hangs_is_given_up_and_blocks_no_other(
    services_stub: FakeServices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "LIMIT_SECONDS", 0.3)
    services_stub.hang.clear()
    stuck = threading.Event()
    found = services_of(settings_of(services_stub, tmp_path), prediction_log=lambda: stuck.wait(20))
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


def test_services_are_not_probed_for_every_request(services_stub: FakeServices, tmp_path: Path) -> None:
    around = ServiceProbes(settings_of(services_stub, tmp_path), NBA, open_files(tmp_path, NBA), lambda: None)
    with client_of(services_route(around)) as client:
        began = time.monotonic()
        answers = [client.get(SERVICES).json() for _ in range(20)]
        rounds = 1 + int((time.monotonic() - began) / 2)
        operation(client, "get", SERVICES)
    assert services_stub.requests.count("/health") <= rounds
    assert len({str(answer) for answer in answers}) <= rounds
