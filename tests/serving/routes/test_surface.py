"""Maps: each spot gets the answer of a single request, and a map is computed once for each pair."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from litestar.testing import TestClient

from parivision_core.nba import court
from parivision_core.nba.shots import NBA
from parivision_serving.prediction.champion import Watcher
from parivision_serving.routes import surface as route
from parivision_serving.routes.surface import surface_route
from tests.helpers.serving_setup import make_bundle, make_feature_state
from tests.helpers.small_app import client_of, operation, problem_of, watcher_of

MAP = "/api/v1/court/expected"
QUESTION: dict[str, Any] = {"player_id": 2544, "team": "LAL", "opponent": "GSW", "home": True, "kind": "jump"}
QUESTION |= {"period": 4, "seconds_remaining": 20}


@pytest.fixture(scope="module")
def watcher(tmp_path_factory: pytest.TempPathFactory) -> Watcher:
    return watcher_of(make_bundle(tmp_path_factory.mktemp("bundle"), 1), make_feature_state(1))


@pytest.fixture(scope="module")
def client(watcher: Watcher) -> Iterator[TestClient[Any]]:
    with client_of(surface_route(NBA, watcher)) as started:
        yield started


@pytest.fixture
def empty_client(watcher: Watcher) -> Iterator[TestClient[Any]]:
    """A client of a route that has computed no map yet."""
    with client_of(surface_route(NBA, watcher)) as started:
        yield started


@pytest.mark.parametrize("question", [{}, QUESTION, {"step": 35}, {"step": 50, "player_id": 999}])
def test_each_spot_gets_the_answer_of_a_single_request(
    watcher: Watcher, client: TestClient[Any], question: dict[str, Any]
) -> None:
    answer = client.get(MAP, params=question)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    step = question.get("step", 10)
    assert 0 in body["x"] and 0 in body["y"]
    assert {*np.diff(body["x"]), *np.diff(body["y"])} == {step}
    assert -court.HALF_WIDTH <= body["x"][0] == -body["x"][-1] < -court.HALF_WIDTH + step
    assert court.BASELINE_Y <= body["y"][0] < court.BASELINE_Y + step
    assert court.BACKCOURT_Y - step <= body["y"][-1] < court.BACKCOURT_Y
    pair = watcher.pair
    assert pair is not None
    assert (body["champion_version"], body["champion_sha256"]) == (1, pair.bundle.sha256)
    assert (body["feature_state_stamp"], body["feature_state_through"]) == (pair.record.stamp, "2023-04-09")
    assert {len(body[name]) for name in ("probability", "expected_points", "league_average")} == {
        len(body["x"]) * len(body["y"])
    }
    clock = {"period": 2, "seconds_remaining": 360}
    known = {name: value for name, value in question.items() if name != "step"}
    for i, j in [(0, 0), (3, 1), (len(body["x"]) - 1, len(body["y"]) - 1)]:
        shot = clock | known | {"x": body["x"][i], "y": body["y"][j]}
        prepared = NBA.prepare(msgspec.convert(shot, NBA.request), pair.feature_state)
        probability = float(pair.bundle.predict(prepared.features, prepared.offset)[0])
        at = j * len(body["x"]) + i
        assert body["probability"][at] == pytest.approx(probability, abs=1e-6)
        assert body["expected_points"][at] == pytest.approx(probability * prepared.points, abs=1e-6)
        assert body["league_average"][at] == pytest.approx(prepared.league_average, abs=1e-12)


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ({"step": 4}, "step"),
        ({"step": 51}, "step"),
        ({"step": "fine"}, "step"),
        ({"period": 0}, "period"),
        ({"seconds_remaining": "nan"}, "seconds_remaining"),
        ({"seconds_remaining": 721}, "seconds_remaining"),
        ({"period": 5, "seconds_remaining": 301}, "seconds_remaining"),
        ({"player_id": -1}, "player_id"),
        ({"team": "XXX"}, "team"),
        ({"team": "LAL", "opponent": "LAL"}, "opponent"),
        ({"home": "perhaps"}, "home"),
        ({"kind": "slam"}, "kind"),
    ],
)
def test_an_impossible_map_is_refused(client: TestClient[Any], question: dict[str, Any], field: str) -> None:
    problem_of(client.get(MAP, params=question), 422, field)


def test_a_map_is_computed_once_for_a_pair(
    watcher: Watcher, empty_client: TestClient[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    computed: list[Any] = []
    compute = route._computed

    def counted(*parts: Any) -> bytes:
        computed.append(parts)
        return compute(*parts)

    monkeypatch.setattr(route, "_computed", counted)
    first = empty_client.get(MAP, params=QUESTION)
    assert empty_client.get(MAP, params=QUESTION).content == first.content
    assert len(computed) == 1
    assert empty_client.get(MAP, params=QUESTION | {"step": 20}).content != first.content
    assert len(computed) == 2
    before, watcher.pair = watcher.pair, watcher_of(make_bundle(tmp_path, 2), make_feature_state(2)).pair
    try:
        assert empty_client.get(MAP, params=QUESTION).json()["probability"] != first.json()["probability"]
    finally:
        watcher.pair = before
    assert len(computed) == 3
    for player in range(1, route.KEPT + 1):
        empty_client.get(MAP, params={"step": 50, "player_id": player})
    assert empty_client.get(MAP, params=QUESTION).content == first.content
    assert len(computed) == 3 + route.KEPT + 1  # the others replaced it


def test_without_a_champion_there_is_no_map() -> None:
    with client_of(surface_route(NBA, watcher_of())) as client:
        problem_of(client.get(MAP), 503)


def test_openapi_documents_every_parameter(client: TestClient[Any]) -> None:
    body = operation(client, "get", MAP)
    parameters = {parameter["name"]: parameter for parameter in body["parameters"]}
    assert parameters.keys() == {"step", *QUESTION}
    assert "dunk" in json.dumps(parameters["kind"]["schema"])
    assert '"minimum": 5' in json.dumps(parameters["step"]["schema"])
    assert not any(parameter["required"] for parameter in parameters.values())
