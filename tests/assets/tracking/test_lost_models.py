"""A registry that lost its models is found out without MLflow's library; one that is down isn't taken for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from parivision_assets.tracking.lost_models import has_lost_models
from parivision_assets.tracking.registry import ModelRegistry

MODEL = "parivision"


def test_a_database_without_a_version_of_the_model(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert has_lost_models(uri, MODEL)  # the file is gone
    ModelRegistry(uri, "another").register("run", "file:///nowhere", "sha", [])
    assert has_lost_models(uri, MODEL)
    registry = ModelRegistry(uri, MODEL)
    registry.register("run", "file:///nowhere", "sha", [])
    assert not has_lost_models(uri, MODEL)
    assert (registry.digest(1), registry.digest(2)) == ("sha", "")


def test_a_damaged_database_or_one_of_another_kind_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"x" * 5000)
    assert not has_lost_models(f"sqlite:///{tmp_path / 'mlflow.db'}", MODEL)
    assert not has_lost_models("postgresql://somewhere", MODEL)


@pytest.fixture
def server() -> Iterator[dict[str, Any]]:
    """What an MLflow server answers: its status and body, and its address."""
    given: dict[str, Any] = {"status": 200, "body": {}}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path.startswith("/api/2.0/mlflow/model-versions/search?filter=name")
            self.send_response(given["status"])
            self.end_headers()
            self.wfile.write(json.dumps(given["body"]).encode())

        def log_message(self, *_: Any) -> None:
            pass

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=served.serve_forever, args=(0.01,), daemon=True).start()
    given["uri"] = f"http://127.0.0.1:{served.server_address[1]}"
    yield given
    served.shutdown()
    served.server_close()


def test_a_server_without_a_version_of_the_model(server: dict[str, Any]) -> None:
    assert has_lost_models(server["uri"], MODEL)
    server["body"] = {"model_versions": [{"version": "3"}]}
    assert not has_lost_models(server["uri"], MODEL)
    server.update(status=500, body={})
    assert not has_lost_models(server["uri"], MODEL)
    assert not has_lost_models("http://127.0.0.1:9", MODEL)
