"""The routes of the two original systems: their requests, today's answers, and refused contradictions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import TestClient

from parivision_core.bundle import Bundle
from parivision_core.nba import court
from parivision_core.nba.shots import NBA
from parivision_core.records import FeatureStateRecord
from parivision_core.tracking.registry import RegistryReader
from parivision_serving.routes.compat import compat_routes
from parivision_serving.web.context import Context
from tests.helpers.serving_setup import make_bundle, make_feature_state
from tests.helpers.small_app import client_of, operation, problem_of, watcher_of

OLD: dict[str, Any] = {
    "Player_ID": 201939,
    "X_Location": -120,
    "Y_Location": 85,
    "Total_Seconds_Remaining": 35,
    "Shot_Type_Encoded": 2,
    "Shot_Distance_Meters": 4.27,
    "Shot_Zone_Combined": 3,
}


@dataclass
class Answer:
    """The part of a prediction that the route reads."""

    probability: float


@dataclass
class Backend:
    """What the routes call; `requests` are the predictions that were requested."""

    bundle: Bundle
    record: FeatureStateRecord
    requests: list[Any] = field(default_factory=list)
    fixed: float | None = None
    registry = RegistryReader("http://127.0.0.1:9", NBA.registered_model, Path())

    async def predict(self, request: Any, context: Context) -> Any:
        assert context.id
        self.requests.append(request)
        return Answer(self.probability(request) if self.fixed is None else self.fixed)

    def probability(self, request: Any) -> float:
        prepared = NBA.prepare(request, NBA.load_feature_state(self.record))
        return float(self.bundle.predict(prepared.features, prepared.offset)[0])


@pytest.fixture(scope="module")
def _backend(tmp_path_factory: pytest.TempPathFactory) -> Backend:
    return Backend(make_bundle(tmp_path_factory.mktemp("bundle"), 1), make_feature_state(1))


@pytest.fixture
def backend(_backend: Backend) -> Backend:
    """The shared backend without requests."""
    _backend.requests.clear()
    _backend.fixed = None
    return _backend


@pytest.fixture(scope="module")
def client(_backend: Backend) -> Iterator[TestClient[Any]]:
    watcher = watcher_of(_backend.bundle, _backend.record)
    with client_of(*compat_routes(NBA, _backend.registry, watcher, _backend.predict)) as started:
        yield started


def test_an_original_request_becomes_one_of_today(backend: Backend, client: TestClient[Any]) -> None:
    answer = client.post("/predict", json=OLD)
    assert answer.status_code == 200
    today = NBA.request(x=-120, y=85, period=2, seconds_remaining=35, player_id=201939)
    assert backend.requests == [today]
    assert answer.json() == {"prediction": int(backend.probability(today) >= 0.5)}


@pytest.mark.parametrize(("probability", "prediction"), [(0.49, 0), (0.5, 1), (0.9, 1)])
def test_the_likelier_outcome_is_answered(
    backend: Backend, client: TestClient[Any], probability: float, prediction: int
) -> None:
    backend.fixed = probability
    assert client.post("/predict", json=OLD).json() == {"prediction": prediction}


def test_numbers_may_be_text_and_unknown_fields_are_ignored(backend: Backend, client: TestClient[Any]) -> None:
    plain = client.post("/predict", json=OLD).json()
    text = {name: str(value) for name, value in OLD.items()} | {"Season": "2023", "Shot_Type_Encoded": "2.0"}
    assert client.post("/predict", json=text).json() == plain
    assert backend.requests[0] == backend.requests[1]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"X_Location": "left"}, "X_Location"),
        ({"X_Location": "nan"}, "X_Location"),
        ({"X_Location": "inf"}, "X_Location"),
        ({"X_Location": 251}, "X_Location"),
        ({"Y_Location": -53}, "Y_Location"),
        ({"Player_ID": 0}, "Player_ID"),
        ({"Player_ID": 1.5}, "Player_ID"),
        ({"Player_ID": None}, "Player_ID"),
        ({"Total_Seconds_Remaining": 721}, "Total_Seconds_Remaining"),
        ({"Total_Seconds_Remaining": -1}, "Total_Seconds_Remaining"),
        ({"Shot_Type_Encoded": 1}, "Shot_Type_Encoded"),
        ({"Shot_Type_Encoded": 3}, "Shot_Type_Encoded"),
        ({"Shot_Distance_Meters": 14.7}, "Shot_Distance_Meters"),
        ({"Shot_Distance_Meters": "nan"}, "Shot_Distance_Meters"),
        ({"Shot_Zone_Combined": 8}, "Shot_Zone_Combined"),
        ({"Shot_Zone_Combined": 5}, "Shot_Zone_Combined"),
        ({"Shot_Zone_Combined": 4}, "Shot_Zone_Combined"),
    ],
)
def test_impossible_values_are_reported_by_their_original_names(
    backend: Backend, client: TestClient[Any], change: dict[str, Any], field: str
) -> None:
    problem_of(client.post("/predict", json=OLD | change), 422, field)
    assert not backend.requests


def test_every_missing_field_is_named(client: TestClient[Any]) -> None:
    problem_of(client.post("/predict", json={}), 422, *OLD)
    for body in (b"", b"[]", b"{", b"null"):
        problem_of(client.post("/predict", content=body, headers={"content-type": "application/json"}), 422, "body")


def test_content_types_that_any_web_page_can_send_are_refused(backend: Backend, client: TestClient[Any]) -> None:
    body = json.dumps(OLD).encode()
    for kind in (
        "",
        "text/plain",
        "Text/Plain; charset=utf-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ):
        problem_of(client.post("/predict", content=body, headers={"content-type": kind}), 415)
    problem_of(client.post("/predict", content=body), 415)
    assert not backend.requests
    for kind in ("application/json", "application/json;charset=utf-8", "text/json", "application/vnd.api+json"):
        assert client.post("/predict", content=body, headers={"content-type": kind}).status_code == 200


def test_another_unit_of_length_is_recognised(client: TestClient[Any]) -> None:
    detail = problem_of(
        client.post("/predict", json=OLD | {"X_Location": -3.66, "Y_Location": 2.59}),
        422,
        "Shot_Distance_Meters",
        "Shot_Zone_Combined",
    )
    assert "X_Location and Y_Location are tenths of a foot" in detail


@given(
    x=st.floats(-250, 250),
    y=st.floats(-52, 888),
    cut=st.booleans(),
    seconds=st.integers(0, 720),
)
def test_no_consistent_request_is_refused(x: float, y: float, cut: bool, seconds: int) -> None:
    spot = court.locate([x], [y])
    metres = float(spot.distance[0]) * court.METRES_PER_TENTH
    request = NBA.original.request(
        player_id=1,
        x=x,
        y=y,
        seconds_remaining=seconds,
        points=int(spot.points[0]),
        metres=metres // 0.3048 * 0.3048 if cut else round(metres, 2),
        zone=int(spot.zone[0]),
    )
    assert NBA.original.problems(request) == []
    assert NBA.problems(NBA.original.translate(request)) == []


def test_the_champion_is_answered_in_the_original_format(backend: Backend, client: TestClient[Any]) -> None:
    body = client.get("/get_champion_infos").json()
    assert list(body) == ["champion"]
    assert (body["champion"]["version"], body["champion"]["sha256"]) == (1, backend.bundle.sha256)
    assert client.get("/api/v1/health").json() == {"status": "ok", "champion_version": 1}


def test_without_a_champion_the_original_routes_say_so(backend: Backend) -> None:
    with client_of(*compat_routes(NBA, backend.registry, watcher_of(), backend.predict)) as client:
        for path in ("/get_champion_infos", "/api/v1/health"):
            assert "No champion has been promoted yet" in problem_of(client.get(path), 503)


def test_openapi_documents_the_unit(client: TestClient[Any]) -> None:
    body = operation(client, "post", "/predict")
    assert "tenths of a foot" in body["description"]
    assert {"200", "413", "415", "421", "422", "500", "503"} <= set(body["responses"])
    for path in ("/get_champion_infos", "/api/v1/health"):
        operation(client, "get", path)
    schema = client.get("/schema/openapi.json").json()["components"]["schemas"]["OriginalRequest"]
    assert sorted(schema["required"]) == sorted(OLD)
