"""POST /api/v1/predict: the numbers, and every way a request can be wrong."""

from __future__ import annotations

import json
import logging
import uuid
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from litestar.testing import TestClient

from parivision_core.nba.shots import NBA
from parivision_core.scoring import sigmoid
from parivision_serving.app import create_app
from parivision_serving.web.problems import MOST_ERRORS
from tests.helpers.processes import until
from tests.helpers.serving_setup import FULL_SHOT, SHOT, ServingSetup, client_of, expected, make_feature_state, serves

SHOTS = [
    SHOT,
    FULL_SHOT,
    SHOT | {"x": 0, "y": 0},
    SHOT | {"x": 250, "y": 888, "period": 14, "seconds_remaining": 300},
    SHOT | {"x": 1.5, "seconds_remaining": 0.5, "kind": None, "home": False},
    SHOT | {"player_id": 1},
    SHOT | {"player_id": 2544, "opponent": "GSW"},
]

EARLIER = {"x": 1, "y": 1, "period": 1, "seconds_remaining": 700, "made": True}


@pytest.mark.parametrize("shot", SHOTS)
def test_the_answer_comes_from_bundle_and_feature_state(
    shared_serving: ServingSetup, shared_client: TestClient[Any], shot: dict[str, Any]
) -> None:
    record = shared_serving.store.get_feature_state()
    assert record is not None
    answer = shared_client.post("/api/v1/predict", json=shot)
    assert answer.status_code == 200
    body = answer.json()
    probability = body.pop("probability")
    assert probability == expected(shared_serving.bundles[1], record, shot)
    prepared = NBA.prepare(msgspec.convert(shot, NBA.request), NBA.load_feature_state(record))
    assert body.pop("league_average") == pytest.approx(float(sigmoid(prepared.offset)[0]), abs=1e-7)
    uuid.UUID(body.pop("id"))
    assert body == {
        "prediction": int(probability >= 0.5),
        "confidence": max(probability, 1 - probability),
        "evidence": {"league_shots": record.shots, "shooter_shots": body["shot"]["shooter_shots"]},
        "expected_points": probability * body["shot"]["points"],
        "shot": msgspec.to_builtins(prepared.details),
        "champion_version": 1,
        "champion_sha256": shared_serving.bundles[1].sha256,
        "feature_state_stamp": record.stamp,
        "feature_state_through": "2023-04-09",
    }


def test_the_league_average_depends_on_the_spot_alone(shared_client: TestClient[Any]) -> None:
    def average(shot: dict[str, Any]) -> float:
        return float(shared_client.post("/api/v1/predict", json=shot).json()["league_average"])

    assert average(SHOT) == average(FULL_SHOT) == average(SHOT | {"period": 1, "seconds_remaining": 700})
    assert average(SHOT | {"x": 0, "y": 0}) > average(SHOT) > average(SHOT | {"y": 800}) > 0


def test_a_shot_is_worth_its_points(shared_client: TestClient[Any]) -> None:
    near, far = (shared_client.post("/api/v1/predict", json=SHOT | {"y": y}).json() for y in (85, 260))
    assert near["expected_points"] == 2 * near["probability"]
    assert far["expected_points"] == 3 * far["probability"]


def test_context_changes_the_answer_and_an_unknown_player_does_not(shared_client: TestClient[Any]) -> None:
    def probability(**context: Any) -> float:
        return float(shared_client.post("/api/v1/predict", json=SHOT | context).json()["probability"])

    assert probability(player_id=1) == probability()
    contexts = [{"player_id": 2544}, {"team": "GSW"}, {"opponent": "GSW"}, {"home": True}, {"home": False}]
    contexts += [{"kind": "hook"}, {"x": 0}, {"y": 0}, {"period": 1}, {"seconds_remaining": 36}]
    assert len({probability(), *(probability(**context) for context in contexts)}) == len(contexts) + 1


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (SHOT | {"x": 9999}, ["x"]),
        (SHOT | {"y": -53}, ["y"]),
        (SHOT | {"x": "5"}, ["x"]),
        (SHOT | {"x": None}, ["x"]),
        (SHOT | {"x": 9999, "y": 9999}, ["x", "y"]),
        ({k: v for k, v in SHOT.items() if k != "period"}, ["period"]),
        ({}, ["x", "y", "period", "seconds_remaining"]),
        (SHOT | {"period": 0}, ["period"]),
        (SHOT | {"period": 4.5}, ["period"]),
        (SHOT | {"period": True}, ["period"]),
        (SHOT | {"seconds_remaining": -1}, ["seconds_remaining"]),
        (SHOT | {"seconds_remaining": 721}, ["seconds_remaining"]),
        (SHOT | {"period": 5, "seconds_remaining": 700}, ["seconds_remaining"]),
        (SHOT | {"kind": "slam"}, ["kind"]),
        (SHOT | {"team": "XXX"}, ["team"]),
        (SHOT | {"team": "GSW", "opponent": "GSW"}, ["opponent"]),
        (SHOT | {"home": "yes"}, ["home"]),
        (SHOT | {"home": 1}, ["home"]),
        (SHOT | {"player_id": -4}, ["player_id"]),
        (SHOT | {"player_id": 10**30}, ["player_id"]),
        (SHOT | {"foo": 1}, ["foo"]),
        (SHOT | {"foo": 1, "kind": "slam", "x": 9999}, ["x", "kind", "foo"]),
        (SHOT | {"earlier_shots": [EARLIER, EARLIER | {"x": "a"}]}, ["earlier_shots[1].x"]),
        (SHOT | {"earlier_shots": [EARLIER | {"foo": 1}]}, ["earlier_shots[0].foo"]),
        (SHOT | {"earlier_shots": [{}]}, ["earlier_shots[0].x"]),
        (SHOT | {"earlier_shots": [3]}, ["earlier_shots[0]"]),
        (SHOT | {"earlier_shots": 3}, ["earlier_shots"]),
        (SHOT | {"game_date": "2023-02-31"}, ["game_date"]),
        (SHOT | {"game_date": "٢٠٢٣-01-01"}, ["game_date"]),
        ([SHOT], ["body"]),
        (None, ["body"]),
        ("x", ["body"]),
    ],
)
def test_an_impossible_shot_is_refused_with_its_fields(
    shared_client: TestClient[Any], body: Any, fields: list[str]
) -> None:
    problem = refused(shared_client, json.dumps(body).encode())
    assert [e["field"] for e in problem["errors"]] == fields
    assert all(e["message"] and "`$" not in e["message"] for e in problem["errors"])
    assert all(name in problem["detail"] for name in fields)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"x=1&y=2", "body"),
        (b"\xff\xfe", "body"),
        (b'{"x": NaN, "y": 85, "period": 4, "seconds_remaining": 35}', "body"),
        (b'{"x": -Infinity, "y": 85, "period": 4, "seconds_remaining": 35}', "body"),
        (b'{"x": 1e999, "y": 85, "period": 4, "seconds_remaining": 35}', "x"),
        (json.dumps(SHOT).encode() + b"}", "body"),
        (b"[" * 5000, "body"),
        (json.dumps(SHOT).encode()[:-1] + b', "foo": ' + b"[" * 5000 + b"]" * 5000 + b"}", "foo"),
    ],
)
def test_what_is_no_json_is_refused(shared_client: TestClient[Any], body: bytes, field: str) -> None:
    assert [e["field"] for e in refused(shared_client, body)["errors"]] == [field]


@pytest.mark.parametrize(
    ("field", "value", "unit"),
    [
        ("y", 889, "tenths of a foot from the hoop towards midcourt; the baseline is at -52"),
        ("seconds_remaining", "35", "seconds left in the period"),
        ("rest_days", 0, "days since the shooter's team last played; 1 is back to back"),
    ],
)
def test_the_error_of_a_number_names_its_unit(
    shared_client: TestClient[Any], field: str, value: Any, unit: str
) -> None:
    (problem,) = refused(shared_client, json.dumps(SHOT | {field: value}).encode())["errors"]
    assert problem["message"].endswith(f" ({unit})")


def test_the_error_of_a_misspelt_field_suggests_the_right_one(shared_client: TestClient[Any]) -> None:
    (problem,) = refused(shared_client, json.dumps(SHOT | {"oponent": "LAL"}).encode())["errors"]
    assert problem["message"].startswith("there is no such field; is opponent meant; known are x, y")
    (problem,) = refused(shared_client, json.dumps(SHOT | {10_000 * "x": 1}).encode())["errors"]
    assert "meant" not in problem["message"]


@pytest.mark.parametrize("day", ["24/10/2023", "24 October 2023", 20231024])
def test_the_error_of_a_date_shows_the_right_format(shared_client: TestClient[Any], day: Any) -> None:
    (problem,) = refused(shared_client, json.dumps(SHOT | {"game_date": day}).encode())["errors"]
    assert problem["message"].endswith("; write it like 2023-10-24") and "regex" not in problem["message"]


def refused(client: TestClient[Any], body: bytes) -> dict[str, Any]:
    answer = client.post("/api/v1/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert (problem["type"], problem["status"]) == ("urn:parivision:problem:invalid-request", 422)
    return problem


def test_a_huge_body_is_refused(shared_client: TestClient[Any]) -> None:
    answer = shared_client.post("/api/v1/predict", content=b" " * 100_000 + json.dumps(SHOT).encode())
    assert (answer.status_code, answer.json()["status"]) == (413, 413)


def test_errors_repeat_little_of_a_large_request(shared_client: TestClient[Any]) -> None:
    many = SHOT | {f"foo{i}": 1 for i in range(2_000)}
    long = SHOT | {"team": "x" * 10_000, "y" * 10_000: 1, "earlier_shots": [{"z" * 10_000: 1}]}
    for body, count in ((many, MOST_ERRORS), (long, 3)):
        answer = shared_client.post("/api/v1/predict", json=body)
        assert len(answer.json()["errors"]) == count
        assert len(answer.content) < 10_000


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON;charset=UTF-8", 200),
        (None, 415),
        ("", 415),
        ("text/plain", 415),
        ("text/plain;charset=UTF-8", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/xml", 415),
        ("\xff", 415),
        ("x" * 5_000, 415),
    ],
)
def test_the_content_type_must_be_json(shared_client: TestClient[Any], kind: str | None, status: int) -> None:
    headers = {} if kind is None else {"content-type": kind.encode("latin-1")}
    answer = shared_client.post("/api/v1/predict", content=json.dumps(SHOT).encode(), headers=headers)
    assert answer.status_code == status, answer.text
    outcome = "/api/v1/predictions/018e4c5a-7b1e-7000-8000-3f2a9c1d5e77/outcome"
    body = shared_client.post(outcome, content=b'{"made": true}', headers=headers)
    assert body.status_code == (404 if status == 200 else 415)
    if status == 415:
        assert answer.headers["content-type"] == "application/problem+json"
        assert "must be application/json" in answer.json()["detail"]
        assert len(answer.content) < 500


def test_unknown_routes_and_methods_are_problems(shared_client: TestClient[Any]) -> None:
    lost, wrong = shared_client.get("/nope"), shared_client.get("/api/v1/predict")
    assert [a.status_code for a in (lost, wrong)] == [404, 405]
    assert {a.headers["content-type"] for a in (lost, wrong)} == {"application/problem+json"}
    assert [a.json()["status"] for a in (lost, wrong)] == [404, 405]
    assert "POST" in wrong.headers["allow"]


def test_an_unexpected_error_is_logged_and_reported_without_internals(
    serving: ServingSetup, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("secret internals")

    answer = ask(serving, broken)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text and "Traceback" not in answer.text
    assert any(r.exc_info and "secret internals" in str(r.exc_info[1]) for r in caplog.records)


def test_a_model_that_answers_nan_is_an_error_and_no_null(
    serving: ServingSetup, caplog: pytest.LogCaptureFixture
) -> None:
    def absurd(request: Any, feature_state: Any) -> Any:
        prepared = NBA.prepare(request, feature_state)
        return msgspec.structs.replace(prepared, offset=np.array([np.nan], dtype=np.float32))

    with caplog.at_level(logging.ERROR):
        assert ask(serving, absurd).status_code == 500
    assert any("version 1 answers nan" in str(r.exc_info) for r in caplog.records)


def ask(serving: ServingSetup, prepare: Any) -> Any:
    """One prediction by a service whose sport prepares requests in another way."""
    serving.promote(1)
    record = serving.feature_state(make_feature_state(1))
    with client_of(create_app(serving.settings, replace(NBA, prepare=prepare))) as client:
        until(serves(client, 1, record.stamp))
        return client.post("/api/v1/predict", json=SHOT)


def test_a_query_string_is_refused(shared_client: TestClient[Any]) -> None:
    refused = shared_client.post("/api/v1/predict?durable=true", json=SHOT)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "query")
