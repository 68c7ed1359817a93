"""GET /api/v1/shots: pages of the lake over HTTP, and refused queries."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from parivision_core.nba.shots import NBA
from parivision_core.problems import StoreError
from parivision_core.store import open_files
from parivision_core.store.base import Store
from parivision_serving.routes.shots import MOST, shots_route
from tests.helpers.lake import ALL, BATCHES, commit
from tests.helpers.small_app import client_of, operation, problem_of
from tests.helpers.stores import Place, opened

SHOTS = "/api/v1/shots"


@pytest.fixture
def store(place: Place) -> Store:
    """A store of each kind with four batches."""
    made = opened(place)
    for batch, shots in BATCHES.items():
        commit(made, batch, shots)
    return made


@pytest.fixture
def client(store: Store) -> Iterator[TestClient[Any]]:
    with client_of(shots_route(NBA, store)) as started:
        yield started


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient[Any]]:
    """A client of one kind of store, where the kind doesn't matter."""
    made = open_files(tmp_path_factory.mktemp("home"), NBA)
    for batch, shots in BATCHES.items():
        commit(made, batch, shots)
    with client_of(shots_route(NBA, made)) as started:
        yield started


def test_shots_come_newest_first_and_filtered(client: TestClient[Any]) -> None:
    assert client.get(SHOTS, params={"limit": MOST}).json() == {"shots": ALL, "next": None}
    query = {"player_id": 2544, "made": "true", "since": "2023-01-03", "until": "2023-01-10"}
    body = client.get(SHOTS, params=query).json()["shots"]
    assert body == [
        shot
        for shot in ALL
        if shot["player_id"] == 2544 and shot["made"] == 1 and "2023-01-03" <= shot["game_date"] <= "2023-01-10"
    ]
    assert body


def test_todays_abbreviation_also_finds_former_ones(client: TestClient[Any]) -> None:
    def teams(name: str) -> set[str]:
        return {shot["team"] for shot in client.get(SHOTS, params={"team": name}).json()["shots"]}

    assert (teams("BKN"), teams("NJN"), teams("SEA")) == ({"BKN", "NJN"}, {"NJN"}, set())


def test_pages_join_without_a_gap(client: TestClient[Any]) -> None:
    seen: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 50, "team": "GSW"}
    while True:
        page = client.get(SHOTS, params=query).json()
        seen += page["shots"]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert seen == [shot for shot in ALL if shot["team"] == "GSW"]


def test_a_page_has_only_the_selected_fields(client: TestClient[Any]) -> None:
    page = client.get(SHOTS, params={"fields": "x, y,made,x", "limit": 3}).json()
    assert page["shots"] == [{name: shot[name] for name in ("x", "y", "made")} for shot in ALL[:3]]
    following = client.get(SHOTS, params={"cursor": page["next"], "limit": 1}).json()
    assert following["shots"] == ALL[3:4]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        (f"limit={MOST + 1}", "limit"),
        ("limit=many", "limit"),
        ("player_id=curry", "player_id"),
        ("player_id=0", "player_id"),
        (f"player_id={2**63}", "player_id"),
        ("player_id=nan", "player_id"),
        ("team=XXX", "team"),
        ("team=gsw", "team"),
        ("kind=slam", "kind"),
        ("made=perhaps", "made"),
        ("points=4", "points"),
        ("season=23", "season"),
        ("since=yesterday", "since"),
        ("until=2023-02-30", "until"),
        ("since=2023-02-02&until=2023-02-01", "until"),
        ("fields=x,raw", "fields"),
        ("fields=", "fields"),
        ("cursor=x", "cursor"),
        ("cursor=" + "a" * 1001, "cursor"),
        ("cursor=" + base64.urlsafe_b64encode(b"2023-13-01 a").decode(), "cursor"),
        ("cursor=" + base64.urlsafe_b64encode(b"\xff\xfe").decode(), "cursor"),
        ("player=5", "player"),
        ("until=null", "until"),
        ("player_id=null", "player_id"),
        ("team=GSW&team=LAL", "team"),
    ],
)
def test_an_impossible_query_is_refused(one: TestClient[Any], query: str, field: str) -> None:
    problem_of(one.get(f"{SHOTS}?{query}"), 422, field)


def test_errors_list_the_possible_values(one: TestClient[Any]) -> None:
    assert "known are limit, since, until" in problem_of(one.get(f"{SHOTS}?player=5"), 422, "player")
    assert "known are _id, game_date" in problem_of(one.get(f"{SHOTS}?fields=z"), 422, "fields")
    assert "known are ATL, BOS" in problem_of(one.get(f"{SHOTS}?team=XXX"), 422, "team")


def test_a_store_that_is_down_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = open_files(tmp_path / "home", NBA)

    def broken(*_: Any) -> Any:
        raise StoreError("the disk is gone; mount it again")

    monkeypatch.setattr(made, "find_shots", broken)
    with client_of(shots_route(NBA, made)) as client:
        answer = client.get(SHOTS)
    assert problem_of(answer, 503) == "the disk is gone; mount it again"
    assert answer.headers["retry-after"]


def test_openapi_shows_the_sports_filters(one: TestClient[Any]) -> None:
    body = operation(one, "get", SHOTS)
    parameters = {parameter["name"]: parameter for parameter in body["parameters"]}
    assert set(parameters) == {"since", "until", "limit", "cursor", "fields", *NBA.filters}
    assert not any(parameter["required"] for parameter in parameters.values())
    assert "NJN" in str(parameters["team"]["schema"])
    assert {"200", "422", "500", "503"} <= set(body["responses"])
