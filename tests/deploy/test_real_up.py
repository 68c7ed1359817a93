"""`make up` with the real services: everything answers, Dagster has loaded the code, and Ctrl-C leaves nothing."""

from __future__ import annotations

import json
import signal
import urllib.request

import psutil
import pytest

from deploy.environment import ROOT
from deploy.ports import taken
from tests.deploy.conftest import House, running, until

DEFINITIONS = "{repositoriesOrError{... on RepositoryConnection{nodes{location{name} assetNodes{id}}}}}"
PATIENCE = 120
"""Seconds after which the test gives up; it takes about thirty on two idle cores."""


def ask(url: str, query: str | None = None) -> str:
    body = json.dumps({"query": query}).encode() if query else None
    with urllib.request.urlopen(urllib.request.Request(url, body, {"content-type": "application/json"})) as answer:
        return str(answer.read().decode())


def loaded(port: int) -> list[str]:
    """Names of the code locations in which Dagster sees assets."""
    found = json.loads(ask(f"http://127.0.0.1:{port}/graphql", DEFINITIONS))["data"]["repositoriesOrError"]
    return [node["location"]["name"] for node in found.get("nodes", ()) if node["assetNodes"]]


@pytest.mark.slow
def test_the_house_comes_up_and_leaves_nothing_behind(house: House) -> None:
    for stamp in house.home.rglob(".prepared"):
        stamp.unlink()  # the tables are made for once
    launcher = house.up(ROOT / "Procfile", grace=14)
    until(lambda: "PariVision is up" in house.said or launcher.poll() is not None, "addresses", PATIENCE)
    assert launcher.poll() is None, house.said

    assert ask(f"http://127.0.0.1:{house.api}/health/live")
    assert ask(f"http://127.0.0.1:{house.mlflow}/health") == "OK"
    until(lambda: loaded(house.dagster) == ["parivision"], "Dagster has loaded the code", PATIENCE)
    assert "Traceback" not in house.said, house.said

    below = psutil.Process(launcher.pid).children(recursive=True)
    open_to_others = [
        c.laddr for p in below for c in p.net_connections("inet") if c.status == "LISTEN" and c.laddr.ip != "127.0.0.1"
    ]
    assert not open_to_others
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait(PATIENCE) == 0
    assert "was killed" not in house.said, house.said
    assert not any(running(p.pid) for p in below)
    assert not any(map(taken, (house.api, house.dagster, house.mlflow)))
    assert list((house.home / "inbox").iterdir()) == []
