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
from parivision_serving.monitoring import services as neighbours
from parivision_serving.monitoring.services import Neighbourhood
from parivision_serving.routes.services import services_route
from tests.helpers.mongo_server import free_port
from tests.helpers.small_app import client_of, operation

SERVICES = "/api/v1/services"


class House:
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
        house = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                house.asked.append(self.path)
                house.hang.wait(20)
                said = json.dumps(house.world).encode()
                self.send_response(200 if self.path in house.paths else 404)
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
def house() -> Iterator[House]:
    made = House()
    yield made
    made.stop()


def settings_of(house: House, home: Path) -> Settings:
    return Settings(
        home=home,
        registry_url=f"http://somebody:secret@127.0.0.1:{house.port}",
        feed=VIRTUAL_BETS,
        feed_url=f"http://127.0.0.1:{house.port}",
        dagster_port=house.port,
        ui_port=free_port(),
    ).resolved()


def told(settings: Settings, journal: Any = lambda: None, store: Any = None) -> dict[str, Any]:
    """The services by name."""
    around = Neighbourhood(settings, NBA, store or open_files(settings.home, NBA), journal)
    with client_of(services_route(around)) as client:
        answer = client.get(SERVICES)
    assert answer.status_code == 200
    assert "secret" not in answer.text
    return {service["name"]: service for service in answer.json()}


def test_each_part_is_up_or_down(house: House, tmp_path: Path) -> None:
    house.paths |= {"/health", "/status"}
    found = told(settings_of(house, tmp_path))
    assert list(found) == ["mlflow", "dagster", "feed", "page", "store", "journal"]
    assert {name for name, service in found.items() if service["up"]} == {"mlflow", "feed", "store", "journal"}
    assert found["mlflow"]["address"] == f"http://127.0.0.1:{house.port}"
    assert "answers 404 to /server_info" in found["dagster"]["problem"]
    assert found["page"]["problem"] == "nothing answers there; is it running?"
    assert all((service["problem"] is None) == service["up"] for service in found.values())
    assert found["feed"]["told"] == (
        "simulates a league of real teams and invented players, scenario calm, 30 days a minute; "
        "it is 5 March 2024 there"
    )
    house.world["waits"] = True
    assert told(settings_of(house, tmp_path))["feed"]["told"].endswith("there, and it waits until its batches are read")
    assert {service["told"] for name, service in found.items() if name != "feed"} == {None}
    assert found["store"]["address"].startswith(str(tmp_path))


def test_a_feed_that_replays_a_file_says_so(house: House, tmp_path: Path) -> None:
    house.paths |= {"/status"}
    house.world["world"] = "file 0123456789abcdef"
    found = told(settings_of(house, tmp_path))["feed"]
    assert found["told"].startswith("replays a file of real shots, 30 days a minute")


def test_virtual_bets_is_no_part_of_a_house_that_reads_files(house: House, tmp_path: Path) -> None:
    assert "feed" not in told(replace(settings_of(house, tmp_path), feed=INBOX))


def test_what_is_no_feed_counts_as_down(house: House, tmp_path: Path) -> None:
    house.paths |= {"/status"}
    house.world.clear()
    found = told(settings_of(house, tmp_path))["feed"]
    assert (found["up"], found["told"]) == (False, None)
    assert "something else to /status" in found["problem"]


def test_a_password_of_the_database_is_not_shown(house: House, tmp_path: Path) -> None:
    settings = replace(settings_of(house, tmp_path), mongo_url="mongodb://u:secret@db:27017/parivision")
    found = told(settings, store=open_files(tmp_path, NBA))
    assert found["journal"]["address"] == "mongodb://db:27017/parivision (nba)"


def test_a_broken_store_says_why(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_files(tmp_path, NBA)

    def broken(*_: Any) -> Any:
        raise StoreError("the disk is gone; mount it again")

    monkeypatch.setattr(store, "form_stamp", broken)
    found = told(settings_of(house, tmp_path), journal=broken, store=store)
    for name in ("store", "journal"):
        assert (found[name]["up"], found[name]["problem"]) == (False, "the disk is gone; mount it again")


def test_who_hangs_is_given_up_and_holds_nobody_up(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "LIMIT_SECONDS", 0.3)
    house.hang.clear()
    stuck = threading.Event()
    found = told(settings_of(house, tmp_path), journal=lambda: stuck.wait(20))
    stuck.set()
    assert {name for name, service in found.items() if not service["up"]} == {
        "mlflow",
        "dagster",
        "feed",
        "page",
        "journal",
    }
    for name in ("mlflow", "dagster", "feed", "journal"):
        assert found[name]["problem"] == "gave no answer within 0.3 seconds"


def test_neighbours_are_not_hammered(house: House, tmp_path: Path) -> None:
    around = Neighbourhood(settings_of(house, tmp_path), NBA, open_files(tmp_path, NBA), lambda: None)
    with client_of(services_route(around)) as client:
        began = time.monotonic()
        answers = [client.get(SERVICES).json() for _ in range(20)]
        rounds = 1 + int((time.monotonic() - began) / 2)
        operation(client, "get", SERVICES)
    assert house.asked.count("/health") <= rounds
    assert len({str(answer) for answer in answers}) <= rounds
