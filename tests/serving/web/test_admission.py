"""Which requests are admitted: keys, scopes, rates, and host names of the service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anyio
import pytest
import uvicorn
from litestar.testing import TestClient

from parivision_core.problems import ConfigurationError
from parivision_serving.app import create_app
from parivision_serving.settings import ALWAYS
from parivision_serving.web import admission, keys, process
from parivision_serving.web.admission import UNKNOWN_KEYS
from tests.helpers.processes import until
from tests.helpers.serving_setup import SHOT, ServingSetup, make_feature_state, serves

OPEN = ("/", "/health/live", "/metrics", "/schema", "/schema/assets/swagger-ui.css", "/schema/openapi.json")


@pytest.fixture
def guarded(serving: ServingSetup, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient[Any]]:
    """A service in which everyone needs a key."""
    monkeypatch.setattr(keys, "LOOK_SECONDS", 0.0)
    serving.promote(1)
    record = serving.feature_state(make_feature_state(1))
    everything = keys.add(serving.settings.home / "api_keys.json", "test", [keys.ADMIN])
    with serving.client(api_auth=ALWAYS) as client:
        client.headers["X-API-Key"] = everything
        until(serves(client, 1, record.stamp))
        del client.headers["X-API-Key"]
        yield client


def key_of(serving: ServingSetup, scope: Any) -> dict[str, str]:
    return {"X-API-Key": keys.add(serving.settings.api_keys, scope, [scope])}


def test_without_a_key_only_health_metrics_and_documentation_answer(guarded: TestClient[Any]) -> None:
    assert {path: guarded.get(path).status_code for path in OPEN} == dict.fromkeys(OPEN, 200)
    for path in ("/api/v1/champion", "/api/v1/players", "/api/v1/verdicts"):
        refused = guarded.get(path)
        assert refused.status_code == 401
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.headers["www-authenticate"] == 'ApiKey header="X-API-Key"'
    assert guarded.post("/api/v1/predict", json=SHOT).status_code == 401


def test_a_key_admits_to_its_scope(serving: ServingSetup, guarded: TestClient[Any]) -> None:
    reader, predictor = key_of(serving, "read"), key_of(serving, "predict")
    assert guarded.get("/api/v1/champion", headers=reader).status_code == 200
    refused = guarded.post("/api/v1/predict", json=SHOT, headers=reader)
    assert refused.status_code == 403
    assert refused.json()["detail"] == "the API key 'read' lacks the scope 'predict' for this"
    assert guarded.post("/api/v1/predict", json=SHOT, headers=predictor).status_code == 200
    assert guarded.get("/api/v1/champion", headers=predictor).status_code == 200


def test_a_revoked_key_is_refused(serving: ServingSetup, guarded: TestClient[Any]) -> None:
    key = key_of(serving, "predict")
    assert guarded.post("/api/v1/predict", json=SHOT, headers=key).status_code == 200
    keys.revoke(serving.settings.api_keys, "predict")
    assert guarded.post("/api/v1/predict", json=SHOT, headers=key).status_code == 401


def test_a_wrong_key_is_refused_where_none_is_needed(shared_client: TestClient[Any]) -> None:
    assert shared_client.post("/api/v1/predict", json=SHOT).status_code == 200
    refused = shared_client.post("/api/v1/predict", json=SHOT, headers={"X-API-Key": "pv_wrong"})
    assert refused.status_code == 401
    assert "is unknown" in refused.json()["detail"]


def test_many_unknown_keys_are_slowed_down_and_known_ones_are_not(
    serving: ServingSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving.client(api_auth=ALWAYS, api_key="secret") as client:

        def ask(key: str) -> Any:
            return client.get("/api/v1/verdicts", headers={"X-API-Key": key})

        statuses = [ask(f"pv_{i}").status_code for i in range(UNKNOWN_KEYS + 2)]
        assert statuses == [401] * UNKNOWN_KEYS + [429] * 2
        refused = ask("pv_wrong")
        assert 1 <= int(refused.headers["retry-after"]) <= 6
        assert "unknown API keys" in refused.json()["detail"]
        assert ask("secret").status_code == 200
        assert client.get("/api/v1/verdicts").status_code == 401
        monkeypatch.setattr(admission, "_address", lambda _: "10.0.0.2")
        assert ask("pv_wrong").status_code == 401


def test_the_key_of_the_environment_has_all_scopes(serving: ServingSetup) -> None:
    with serving.client(api_auth=ALWAYS, api_key="secret") as client:
        assert client.get("/api/v1/verdicts", headers={"X-API-Key": "secret"}).status_code == 200
        assert client.get("/api/v1/verdicts").status_code == 401


def test_beyond_loopback_there_must_be_a_key(serving: ServingSetup) -> None:
    settings = {"api_host": "0.0.0.0"}
    with pytest.raises(ConfigurationError, match="the service needs an API key"):
        serving.client(**settings)
    with serving.client(**settings, api_key="secret") as client:
        assert client.get("/api/v1/verdicts").status_code == 401
        assert client.get("/health/live", headers={"host": "anything.example"}).status_code == 200


def test_too_many_requests_are_answered_with_a_time_to_retry(serving: ServingSetup) -> None:
    with serving.client(api_rate=0.5) as client:
        statuses = [client.get("/api/v1/verdicts").status_code for _ in range(3)]
        assert statuses == [200, 429, 429]
        refused = client.get("/api/v1/verdicts")
        assert 1 <= int(refused.headers["retry-after"]) <= 2
        assert "0.5 requests a second" in refused.json()["detail"]
        assert client.get("/health/live").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "", "[::2]"])
def test_an_unknown_host_is_refused(shared_client: TestClient[Any], host: str) -> None:
    refused = shared_client.get("/health/live", headers={"host": host})
    assert refused.status_code == 421
    assert refused.json()["type"] == "urn:parivision:problem:unknown-host"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000"])
def test_the_own_hosts_are_accepted(shared_client: TestClient[Any], host: str) -> None:
    assert shared_client.get("/health/live", headers={"host": host}).status_code == 200


def test_hosts_can_be_configured(serving: ServingSetup) -> None:
    with serving.client(api_hosts="API.example.com, api", api_key="secret") as client:
        hosts = ("api:8000", "api.Example.com", "127.0.0.1")
        assert [client.get("/health/live", headers={"host": h}).status_code for h in hosts] == [200, 200, 421]


def test_a_service_with_a_public_host_needs_keys(serving: ServingSetup) -> None:
    """A proxy on the same machine forwards requests from outside."""
    with pytest.raises(ConfigurationError, match="needs an API key"):
        serving.client(api_hosts="api.example.com,localhost")
    with serving.client(api_hosts="api.example.com,localhost", api_key="secret") as client:
        assert client.get("/api/v1/verdicts", headers={"host": "localhost"}).status_code == 401
    with serving.client(api_hosts="LOCALHOST,[::1]") as client:
        for host in ("localhost:8000", "[::1]:8000"):
            assert client.get("/api/v1/verdicts", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "name", ["api.example.com:8000", "https://api.example.com", "[::1]:8000", "*.example.com", "api/x"]
)
def test_a_host_that_no_request_can_name_is_refused(serving: ServingSetup, name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"PARIVISION_API_HOSTS names .* without port"):
        serving.client(api_hosts=f"localhost,{name}")


def test_scripts_of_other_origins_need_to_be_allowed(serving: ServingSetup) -> None:
    origin = {"Origin": "https://example.com"}
    with serving.client() as client:
        assert "access-control-allow-origin" not in client.get("/health/live", headers=origin).headers
    with serving.client(api_origins="https://example.com") as client:
        allowed = client.get("/health/live", headers=origin).headers
        assert allowed["access-control-allow-origin"] == "https://example.com"


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:3000"},
    {"Origin": "http://127.0.0.1:3000"},
    {"Origin": "null"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_pages_of_other_origins_change_nothing(shared_client: TestClient[Any], headers: dict[str, str]) -> None:
    made = shared_client.post("/api/v1/predict", json=SHOT).json()["id"]
    count = len(shared_client.get("/api/v1/predictions").json()["predictions"])
    one = f"/api/v1/predictions/{made}"
    for answer in (
        shared_client.post("/api/v1/predict", json=SHOT, headers=headers),
        shared_client.post("/api/v1/predict/bulk", json=[SHOT], headers=headers),
        shared_client.post("/predict", json=SHOT, headers=headers),
        shared_client.post(f"{one}/outcome", json={"made": True}, headers=headers),
        shared_client.delete(one, headers=headers),
    ):
        problem = answer.json()
        assert (answer.status_code, problem["type"]) == (403, "urn:parivision:problem:cross-origin")
        assert "PARIVISION_API_ORIGINS" in problem["detail"]
        assert answer.headers["content-type"] == "application/problem+json"
    assert len(shared_client.get("/api/v1/predictions", headers=headers).json()["predictions"]) == count
    assert shared_client.get(one).json()["outcome"] is None


def test_the_own_page_and_allowed_origins_send_predictions(serving: ServingSetup) -> None:
    own = {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}
    with serving.client(api_origins="https://example.com") as client:
        allowed, other = {"Origin": "https://example.com"}, {"Origin": "https://other.example.com"}
        for headers, status in ((own, 503), (own | allowed, 503), (allowed, 503), ({}, 503), (other, 403)):
            assert client.post("/api/v1/predict", json=SHOT, headers=headers).status_code == status
        assert client.post("/api/v1/predict", json=SHOT, headers=allowed | FOREIGN[0]).status_code == 503
    with serving.client(api_origins="*") as client:
        assert client.post("/api/v1/predict", json=SHOT, headers=FOREIGN[0] | other).status_code == 503


def test_forwarded_addresses_are_ignored() -> None:
    """Else a caller could escape its rate limit by inventing addresses."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["client"])

    config = uvicorn.Config(app, **process.OPTIONS)
    config.load()
    scope = {"type": "http", "client": ("127.0.0.1", 5), "headers": [(b"x-forwarded-for", b"1.2.3.4")]}
    anyio.run(config.loaded_app, scope, None, None)
    assert seen == [("127.0.0.1", 5)]


def test_a_damaged_file_of_keys_is_reported_at_the_start(serving: ServingSetup) -> None:
    serving.settings.api_keys.parent.mkdir(parents=True, exist_ok=True)
    serving.settings.api_keys.write_text("no json")
    with pytest.raises(ConfigurationError, match="can't be read"):
        create_app(serving.settings)


def test_scripts_of_an_allowed_origin_may_use_known_methods_and_headers_alone(serving: ServingSetup) -> None:
    page = {"origin": "https://example.com", "access-control-request-headers": "x-api-key"}
    with serving.client(api_origins="https://example.com") as client:

        def preflight(method: str, **changed: str) -> Any:
            return client.options("/api/v1/teams", headers=page | {"access-control-request-method": method} | changed)

        assert preflight("GET").headers["access-control-allow-origin"] == "https://example.com"
        assert "PUT" not in preflight("GET").headers["access-control-allow-methods"]
        for refused in (preflight("PUT"), preflight("GET", **{"access-control-request-headers": "x-other"})):
            assert refused.is_client_error
