"""The service around predictions: champion, verdicts, its OpenAPI page and its process."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient

from parivision_core.nba.shots import NBA
from parivision_core.nba.shots.kinds import KINDS
from parivision_core.nba.teams import ABBREVIATIONS
from parivision_core.records import Verdict
from parivision_core.settings import Settings
from parivision_core.store import open_store
from parivision_serving.web.openapi_page import MEDIA_TYPES
from tests.helpers.processes import until
from tests.helpers.serving_setup import SHOT, ServingSetup, make_feature_state


def test_the_champion_has_its_provenance(shared_serving: ServingSetup, shared_client: TestClient[Any]) -> None:
    record = shared_serving.store.get_feature_state()
    assert record is not None
    assert shared_client.get("/api/v1/champion").json() == {
        "version": 1,
        "epoch": 1,
        "sha256": shared_serving.bundles[1].sha256,
        "run_id": "mlrun1",
        "registered_at": 1_700_000_000_000,
        "page": f"{shared_serving.settings.registry_url}/#/models/parivision/versions/1?workflowType=machine_learning",
        "sport": "nba",
        "model": "logistic 1",
        "feature_schema": NBA.schema,
        "base_fingerprint": NBA.base_fingerprint,
        "provenance": {
            "run_id": "run1",
            "code_version": "test",
            "data_fingerprint": "d" * 16,
            "batches": 2,
            "first_date": "2022-10-18",
            "last_train_date": "2023-03-01",
            "seen_until": "2023-04-01",
        },
        "feature_state": {"stamp": record.stamp, "through": "2023-04-09", "shots": 400},
        "reload_problem": None,
    }


def test_verdicts_come_newest_first(serving: ServingSetup, client: TestClient[Any]) -> None:
    assert client.get("/api/v1/verdicts").json() == []
    for candidate in range(1, 26):
        serving.store.put_verdict(
            Verdict(
                candidate=candidate,
                champion=None if candidate == 1 else 1,
                epoch=0,
                decision="refuse",
                reason="no better",
                games=30,
                shots=5000,
                gain=-0.001,
                margin=0.001,
                level=0.95,
            )
        )
    body = client.get("/api/v1/verdicts").json()
    assert [v["candidate"] for v in body] == list(range(25, 5, -1))
    assert (body[0]["decision"], body[0]["gain"], body[0]["champion"]) == ("refuse", -0.001, 1)
    assert body[0]["page"].endswith("/#/models/parivision/versions/25?workflowType=machine_learning")
    assert [v["candidate"] for v in client.get("/api/v1/verdicts?limit=2").json()] == [25, 24]
    assert len(client.get("/api/v1/verdicts?limit=1000").json()) == 25


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "many", "1.5", "", "1&limit=2"])
def test_an_absurd_limit_is_refused(shared_client: TestClient[Any], limit: str) -> None:
    answer = shared_client.get(f"/api/v1/verdicts?limit={limit}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [e["field"] for e in answer.json()["errors"]] == ["limit"]


OPEN = ("/", "/health/live", "/health/ready", "/api/v1/health", "/metrics")
ANSWERS = {
    ("get", "/"): "200",
    ("get", "/health/live"): "200",
    ("get", "/health/ready"): "200 503",
    ("get", "/metrics"): "200",
    ("post", "/api/v1/predict"): "200 408 413 415 422 500 503",
    ("post", "/api/v1/predict/bulk"): "200 408 413 415 422 500 503",
    ("get", "/api/v1/court/expected"): "200 422 500 503",
    ("get", "/api/v1/players"): "200 422 500 503",
    ("get", "/api/v1/teams"): "200 422 500",
    ("get", "/api/v1/shots"): "200 422 500 503",
    ("get", "/api/v1/data/summary"): "200 500 503",
    ("get", "/api/v1/predictions"): "200 422 500 503",
    ("get", "/api/v1/predictions/{prediction_id}"): "200 404 422 500 503",
    ("delete", "/api/v1/predictions/{prediction_id}"): "204 404 422 500 503",
    ("post", "/api/v1/predictions/{prediction_id}/outcome"): "200 404 408 413 415 422 500 503",
    ("get", "/api/v1/champion"): "200 503",
    ("get", "/api/v1/verdicts"): "200 422 500 503",
    ("get", "/api/v1/models/{version}/report"): "200 404 422 500 503",
    ("get", "/api/v1/drift"): "200 422 500 503",
    ("get", "/api/v1/services"): "200 500",
    ("post", "/predict"): "200 408 413 415 422 500 503",
    ("get", "/get_champion_infos"): "200 500 503",
    ("get", "/api/v1/health"): "200 500 503",
}
"""Operation -> its statuses, without those of admission."""


def test_openapi_shows_the_enums_and_every_error_answer(shared_client: TestClient[Any]) -> None:
    document = shared_client.get("/schema/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert schemas["Kind"]["enum"] == list(KINDS)
    assert schemas["Team"]["enum"] == [names[0] for names in ABBREVIATIONS.values()]
    request = schemas["PredictionRequest"]["properties"]
    for field, enum in (("kind", "Kind"), ("team", "Team"), ("opponent", "Team")):
        assert {"$ref": f"#/components/schemas/{enum}"} in request[field]["oneOf"]
    assert (request["x"]["minimum"], request["x"]["maximum"]) == (-250, 250)
    assert schemas["Prediction"]["properties"]["shot"] == {"$ref": "#/components/schemas/ShotDetails"}
    operations = {
        (method, path): operation for path, item in document["paths"].items() for method, operation in item.items()
    }
    guarded = {"401", "403", "421", "429"}
    for (_, path), operation in operations.items():
        is_open = path in OPEN
        assert (operation.get("security") == [{}]) is is_open, path
        assert guarded.isdisjoint(operation["responses"]) if is_open else guarded <= operation["responses"].keys()
    assert {key: " ".join(sorted(set(o["responses"]) - guarded)) for key, o in operations.items()} == ANSWERS
    for operation in operations.values():
        assert operation["operationId"] and operation["summary"] and operation["tags"]
        for status, response in operation["responses"].items():
            if status not in {"200", "204"}:
                schema = response["content"]["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}
    body = operations["post", "/api/v1/predict"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/PredictionRequest"}


def test_the_welcome_page_links_to_routes_that_answer(shared_client: TestClient[Any]) -> None:
    page = shared_client.get("/schema")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    welcome = shared_client.get("/").json()
    links = [value for value in welcome.values() if value.startswith("/") and "predict" not in value]
    assert len(links) == 5
    assert {shared_client.get(link).status_code for link in links} == {200}


def test_the_openapi_page_needs_no_other_host(shared_client: TestClient[Any]) -> None:
    page = shared_client.get("/schema")
    head, script = page.text.split("<script type='text/javascript'>")
    links = re.findall(r"""(?:src|href)=["']([^"']+)""", page.text)
    assert sorted(links) == sorted(f"/schema/assets/{name}" for name in MEDIA_TYPES)
    assert "//" not in head
    assert re.findall(r"url|import|fetch", script.split("spec: ")[0] + script.rpartition("dom_id")[2]) == []
    for link in links:
        asset = shared_client.get(link)
        assert (asset.status_code, len(asset.content) > 500) == (200, True)
        assert asset.headers["content-type"].partition(";")[0] == MEDIA_TYPES[link.rpartition("/")[2]]
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert shared_client.get("/schema/assets/index.html").status_code == 404


def test_head_is_answered_like_get(shared_client: TestClient[Any]) -> None:
    for path in ("/health/ready", "/api/v1/teams", "/schema/openapi.json"):
        got, headed = shared_client.get(path), shared_client.head(path)
        assert (headed.status_code, headed.headers["content-length"]) == (200, got.headers["content-length"])
    assert shared_client.head("/api/v1/predict").status_code == 405


@pytest.mark.process
def test_importing_the_service_stays_light() -> None:
    heavy = ["dagster", "gradio", "mlflow", "onnx", "pandas", "pyarrow", "sklearn", "xgboost"]
    code = f"import sys, parivision_serving.__main__; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def start(settings: Settings, port: int) -> subprocess.Popen[str]:
    given = {
        "PARIVISION_HOME": str(settings.home),
        "PARIVISION_REGISTRY_URL": settings.registry_url,
        "PARIVISION_API_PORT": str(port),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "parivision_serving"], env=os.environ | given, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.process
def test_the_process_serves_and_ends_on_a_signal(serving: ServingSetup) -> None:
    serving.promote(1)
    serving.feature_state(make_feature_state(1))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = start(serving.settings, port)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:

            def ready() -> bool:
                assert process.poll() is None, process.communicate()[1]
                try:
                    return http.get("/health/ready").status_code == 200
                except httpx.TransportError:
                    return False

            until(ready)
            assert http.post("/api/v1/predict", json=SHOT).json()["champion_version"] == 1
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode in (0, -signal.SIGTERM)
    assert "Traceback" not in log
    assert "POST" not in log, "the access log is off"
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0, "the port is free again"


@pytest.mark.process
def test_a_store_of_another_version_is_refused_in_one_sentence(serving: ServingSetup) -> None:
    store = open_store(serving.settings, NBA)
    with store._meta.transaction() as db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
    process = start(serving.settings, 1)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 1
    assert log.startswith("parivision_serving can't start: ") and "format 99" in log
    assert "Traceback" not in log
