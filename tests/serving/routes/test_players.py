"""GET /api/v1/players: the players of the feature state in service, and refused searches."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient

from parivision_core.nba.shots import NBA
from tests.helpers.processes import until
from tests.helpers.serving_setup import FULL_SHOT, NAMES, SHOT, ServingSetup, make_feature_state, serves

PLAYERS = "/api/v1/players"


def test_a_player_found_is_one_that_a_prediction_knows(
    shared_serving: ServingSetup, shared_client: TestClient[Any]
) -> None:
    (curry,) = shared_client.get(PLAYERS, params={"search": "CURRY steph"}).json()
    record = shared_serving.store.get_feature_state()
    assert record is not None
    assert (curry["player_id"], curry["name"], curry["last_date"]) == (201939, "Stephen Curry", "2023-04-09")
    shot = FULL_SHOT | {"player_id": curry["player_id"], "team": curry["team"], "opponent": "BOS"}
    assert shared_client.post("/api/v1/predict", json=shot).json()["shot"]["shooter_shots"] == curry["shots"] > 0
    assert [curry] == msgspec.to_builtins(NBA.find_players(NBA.load_feature_state(record), "curry", 10))


def test_without_a_search_those_with_most_shots_come_first(shared_client: TestClient[Any]) -> None:
    body = shared_client.get(PLAYERS).json()
    assert {player["player_id"]: player["name"] for player in body} == NAMES
    assert [player["shots"] for player in body] == sorted((player["shots"] for player in body), reverse=True)
    assert shared_client.get(PLAYERS, params={"limit": 2}).json() == body[:2]
    assert shared_client.get(PLAYERS, params={"search": "", "limit": 50}).json() == body


def test_a_search_may_hold_anything(shared_client: TestClient[Any]) -> None:
    for search in ("nobody", "\x00", "%", "'; --", "\N{FIRE}", "a" * 100):
        answer = shared_client.get(PLAYERS, params={"search": search})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert [p["name"] for p in shared_client.get(PLAYERS, params={"search": "gïannis"}).json()] == [
        "Giannis Antetokounmpo"
    ]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=51", "limit"),
        ("limit=many", "limit"),
        ("limit=1.5", "limit"),
        ("limit=", "limit"),
        ("search=" + "a" * 101, "search"),
        ("serch=curry", "serch"),
        ("limit=1&limit=2", "limit"),
    ],
)
def test_an_impossible_search_is_refused(shared_client: TestClient[Any], query: str, field: str) -> None:
    answer = shared_client.get(f"{PLAYERS}?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [e["field"] for e in answer.json()["errors"]] == [field]


def test_without_a_champion_there_are_no_players(serving: ServingSetup) -> None:
    serving.feature_state(make_feature_state(1))
    with serving.client() as client:
        answer = client.get(PLAYERS)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:parivision:problem:not-ready")
    assert int(answer.headers["retry-after"]) >= 1


def test_a_new_feature_state_brings_its_players(serving: ServingSetup, client: TestClient[Any]) -> None:
    assert client.get(PLAYERS, params={"search": "wembanyama"}).json() == []
    record = serving.feature_state(make_feature_state(2, "2023-10-25", names={1641705: "Victor Wembanyama"}))
    until(serves(client, 1, record.stamp))
    (found,) = client.get(PLAYERS, params={"search": "wembanyama"}).json()
    assert (found["player_id"], found["shots"], found["last_date"]) == (1641705, 400, "2023-10-25")
    assert client.post("/api/v1/predict", json=SHOT | {"player_id": 1641705}).json()["shot"]["shooter_shots"] == 400


def test_no_request_waits_for_the_search_to_be_prepared(shared_client: TestClient[Any]) -> None:
    assert "roster" in vars(shared_client.app.state.watcher.pair.feature_state)


def test_openapi_documents_players(shared_client: TestClient[Any]) -> None:
    document = shared_client.get("/schema/openapi.json").json()
    operation = document["paths"][PLAYERS]["get"]
    parameters = {parameter["name"]: parameter for parameter in operation["parameters"]}
    assert (parameters["limit"]["schema"]["minimum"], parameters["limit"]["schema"]["maximum"]) == (1, 50)
    assert parameters["search"]["schema"]["maxLength"] == 100
    assert not any(parameter["required"] for parameter in parameters.values())
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer == {"type": "array", "items": {"$ref": "#/components/schemas/Player"}}
    player = document["components"]["schemas"]["Player"]
    assert sorted(player["required"]) == ["last_date", "name", "player_id", "shots", "team"]
    assert all(field.get("description") or field.get("oneOf") for field in player["properties"].values())
