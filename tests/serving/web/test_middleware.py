"""Every answer has a request id and security headers, also errors and unknown routes."""

from __future__ import annotations

import logging
import uuid
from dataclasses import replace
from typing import Any

import anyio
import msgspec
import pytest
from litestar.testing import TestClient

from parivision_core.nba.shots import NBA
from parivision_serving.app import create_app
from parivision_serving.web import requests
from parivision_serving.web.logs import JsonFormatter, TextFormatter, request_name
from tests.helpers.processes import until
from tests.helpers.serving_setup import SHOT, ServingSetup, client_of, make_feature_state, serves


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/health/live", 200),
    ("GET", "/nowhere", 404),
    ("PUT", "/api/v1/predict", 405),
    ("POST", "/api/v1/predict", 422),
])  # fmt: skip
def test_every_answer_has_a_request_id_and_security_headers(
    shared_client: TestClient[Any], method: str, path: str, status: int
) -> None:
    answer = shared_client.request(method, path)
    assert answer.status_code == status
    assert uuid.UUID(answer.headers["x-request-id"]).version == 7
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "server" not in answer.headers


@pytest.mark.parametrize(("given", "kept"), [("trace-1/a:b", True), ("a b", False), ("x" * 129, False), ('"', False)])
def test_a_given_request_id_is_kept_if_it_is_harmless(shared_client: TestClient[Any], given: str, kept: bool) -> None:
    answer = shared_client.get("/health/live", headers={"x-request-id": given})
    assert (answer.headers["x-request-id"] == given) is kept


def test_a_prediction_has_the_id_of_its_request(shared_client: TestClient[Any]) -> None:
    answer = shared_client.post("/api/v1/predict", json=SHOT)
    assert answer.json()["id"] == answer.headers["x-request-id"]


def test_errors_are_logged_with_the_request_id(serving: ServingSetup, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("secret detail")

    serving.promote(1)
    record = serving.feature_state(make_feature_state(1))
    caplog.handler.setFormatter(TextFormatter())
    with client_of(create_app(serving.settings, replace(NBA, prepare=broken))) as client:
        until(serves(client, 1, record.stamp))
        answer = client.post("/api/v1/predict", json=SHOT, headers={"x-request-id": "mine"})
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] == "mine"
    assert "secret" not in answer.text
    assert "POST /api/v1/predict failed [mine]" in caplog.text
    assert "secret detail" in caplog.text


def test_logs_can_be_read_by_programs() -> None:
    record = logging.LogRecord("there", logging.WARNING, "file", 1, "%d shots", (3,), None)
    token = request_name.set("mine")
    try:
        line = msgspec.json.decode(JsonFormatter().format(record))
    finally:
        request_name.reset(token)
    time = line.pop("time")
    assert time.endswith("+00:00")
    assert line == {"level": "warning", "logger": "there", "message": "3 shots", "request": "mine"}


def test_each_request_to_the_api_can_be_profiled(serving: ServingSetup) -> None:
    folder = serving.root / "profiles"
    with serving.client(profile=str(folder)) as client:
        client.get("/health/live")
        assert list(folder.iterdir()) == []
        name = client.get("/api/v1/verdicts").headers["x-request-id"]
    (profile,) = folder.iterdir()
    assert profile.name.endswith(f"-GET-{name}.html")
    assert "pyinstrument" in profile.read_text()


@pytest.mark.parametrize("path", ["/api/v1/predict", "/api/v1/predict/bulk"])
def test_a_body_that_arrives_too_slowly_is_refused(
    serving: ServingSetup, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(requests, "BODY_SECONDS", 0.05)
    sent: list[Any] = []

    async def drip() -> Any:
        await anyio.sleep(0.02)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def note(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
    scope |= {"headers": headers, "client": None, "server": None, "http_version": "1.1", "scheme": "http"}
    scope |= {"root_path": "", "asgi": {"version": "3.0"}, "extensions": {}}
    anyio.run(create_app(serving.settings), scope, drip, note)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]  # else the rest would be awaited, as the next request
    assert b"more than 0.05 seconds" in sent[1]["body"]
