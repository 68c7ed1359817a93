"""Bulk requests as JSON: the answers, errors and order of single requests, whatever is wrong with some of the rows."""

from __future__ import annotations

import json
import threading
from typing import Any

import anyio
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import TestClient

from parivision_core.nba.shots import NBA
from parivision_core.problems import StoreError
from parivision_serving.prediction import bulk
from parivision_serving.prediction.bulk import AT_ONCE, WAITING, BulkPredictor
from parivision_serving.prediction.bulk_rows import MOST_ROWS, SHOWN_IN_FULL, BulkRows
from parivision_serving.prediction.json_pieces import pieces
from parivision_serving.routes.bulk import bulk_route
from parivision_serving.web.metrics import Metrics
from parivision_serving.web.problems import LONGEST_QUOTE, MOST_ERRORS, InvalidRequestError
from tests.helpers.processes import until
from tests.helpers.serving_setup import FULL_SHOT, SHOT
from tests.helpers.small_app import client_of, operation, problem_of, watcher_of
from tests.serving.prediction.bulk_service import BULK, EARLIER, ROWS, BulkService, single_errors

WRONG: list[Any] = [
    SHOT | {"x": 9999},
    SHOT | {"x": "5"},
    SHOT | {"period": 5, "seconds_remaining": 400},
    SHOT | {"team": "XXX", "kind": 3},
    SHOT | {"team": "LAL", "opponent": "LAL"},
    SHOT | {"foo": 1},
    SHOT | {"earlier_shots": [EARLIER, EARLIER | {"period": 9, "seconds_remaining": 700}]},
    SHOT | {"earlier_shots": [EARLIER | {"x": None}]},
    {},
    [SHOT],
    None,
    17,
]


def test_each_row_gets_the_answer_of_a_single_request(bulk_service: BulkService, bulk_client: TestClient[Any]) -> None:
    rows: list[Any] = [*ROWS, *WRONG, *reversed(ROWS)]
    answer = bulk_client.post(BULK, json=rows)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    problems = {problem["row"]: problem["errors"] for problem in body.pop("problems")}
    wrong = range(len(ROWS), len(ROWS) + len(WRONG))
    assert list(problems) == list(wrong)
    for row, (requested, prediction) in enumerate(zip(rows, body.pop("predictions"), strict=True)):
        if row in wrong:
            assert prediction is None
            assert problems[row] == msgspec.to_builtins(single_errors(json.dumps(requested).encode()))
        else:
            assert prediction == bulk_service.expected(requested)
    assert body == {
        "id": answer.headers["x-prediction-id"],
        "champion_version": 1,
        "champion_sha256": bulk_service.bundle.sha256,
        "feature_state_stamp": bulk_service.record.stamp,
        "feature_state_through": "2023-04-09",
    }
    assert (answer.headers["x-champion-version"], answer.headers["x-feature-state-stamp"]) == (
        "1",
        bulk_service.record.stamp,
    )


def test_an_empty_array_gets_no_predictions(bulk_client: TestClient[Any]) -> None:
    for body in ("[]", " [ ] \n"):
        answer = bulk_client.post(BULK, content=body, headers={"content-type": "application/json"}).json()
        assert (answer["predictions"], answer["problems"]) == ([], [])


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
fields = {
    "x": st.sampled_from([0, -250, 250, 250.5, 1e300, -251]) | anything,
    "y": st.sampled_from([0, -52, -53, 888, 12.5]) | anything,
    "period": st.sampled_from([1, 4, 5, 14, 15, 0]) | anything,
    "seconds_remaining": st.sampled_from([0, 300, 301, 720, 721, 0.5]) | anything,
}
optional = {
    "player_id": st.sampled_from([2544, 0, -1, 2**53]) | anything,
    "team": st.sampled_from(["LAL", "GSW", "lal", ""]) | anything,
    "opponent": st.sampled_from(["LAL", "GSW", None]),
    "arena": st.sampled_from(["LAL", "GSW", "BOS", None]),
    "home": st.sampled_from([True, False, None, 1, "true"]),
    "rest_days": st.sampled_from([1, 400, 401, 0, 1.0]),
    "kind": st.sampled_from(["dunk", "slam", None]) | anything,
    "game_date": st.sampled_from(["2023-01-05", "2023-02-31", "٢٠٢٣-01-05", "yesterday", None]),
    "game_id": st.sampled_from([22_200_001, -1, None]),
    "earlier_shots": st.sampled_from([None, [], [EARLIER], [EARLIER | {"x": 999}], [EARLIER, {}], "none"]),
    "foo": anything,
}
rows = st.fixed_dictionaries(fields, optional=optional) | anything | st.sampled_from(ROWS)


@given(st.lists(rows, max_size=6))
def test_a_row_is_refused_exactly_if_a_single_request_is(requested: list[Any]) -> None:
    read = list(BulkRows(NBA).from_json(json.dumps(requested).encode()))
    refused = {problem.row: problem.errors for piece in read for problem in piece.refused}
    expected = {row: errors for row, one in enumerate(requested) if (errors := single_errors(json.dumps(one).encode()))}
    assert refused == expected
    assert sum(len(piece.sound) for piece in read) == len(requested) - len(refused)


@given(st.lists(rows, max_size=8), st.integers(1, 200), st.sampled_from([None, 1]), st.booleans())
def test_pieces_hold_every_row_in_its_order(
    requested: list[Any], size: int, indent: int | None, ascii_only: bool
) -> None:
    body = json.dumps(requested, indent=indent, ensure_ascii=ascii_only).encode()
    found = []
    for begins, piece in pieces(body, size):
        assert body[begins : begins + len(piece) - 2] == piece[1:-1]
        found += json.loads(piece)
    assert found == requested


@given(
    st.text('[]{},":\\1a ', max_size=20).map(str.encode)
    | st.lists(rows, max_size=4).map(lambda r: json.dumps(r).encode()),
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from(b'[]{},":\\1 ')), max_size=2),
    st.integers(1, 30),
)
def test_malformed_arrays_are_refused_wherever_they_are_cut(
    body: bytes, damage: list[tuple[int, int]], size: int
) -> None:
    text = bytearray(b"[" + body.removeprefix(b"["))
    for place, letter in damage:
        if 0 < place < len(text):
            text[place] = letter

    def valid() -> bool:
        try:
            msgspec.json.decode(bytes(text), type=list[msgspec.Raw])
        except (msgspec.DecodeError, RecursionError):
            return False
        return True

    def read() -> bool:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("parivision_serving.prediction.bulk_rows.pieces", lambda whole: pieces(whole, size))
            try:
                list(BulkRows(NBA).from_json(bytes(text)))
            except InvalidRequestError as error:
                assert [problem.field for problem in error.errors] == ["body"]
                return False
        return True

    assert read() == valid()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "must be a JSON array"),
        (b"{}", "must be a JSON array"),
        (b"null", "must be a JSON array"),
        (b"[", "truncated"),
        (b"[{}", "truncated"),
        (b"[{},]", "trailing comma"),
        (b"[{}]]", "trailing characters (byte 5)"),
        (b"[NaN]", "(byte 1)"),
        (b"[" * 200_000, "recursion"),  # Python 3.13 allows some 10,000
        (json.dumps(ROWS * 700).encode()[:-1], "truncated"),
        (json.dumps(ROWS * 700).encode()[:-1] + b", oops]", f"(byte {len(json.dumps(ROWS * 700)) + 1})"),
    ],
)
def test_a_malformed_array_is_refused_as_a_whole(
    bulk_service: BulkService, bulk_client: TestClient[Any], body: bytes, message: str
) -> None:
    answer = bulk_client.post(BULK, content=body, headers={"content-type": "application/json"})
    assert message in problem_of(answer, 422, "body")
    assert not bulk_service.recorder.recorded


def test_a_bulk_request_has_limits(bulk_service: BulkService, bulk_client: TestClient[Any]) -> None:
    headers = {"content-type": "application/json"}
    for body in (b"[" + b"1," * MOST_ROWS + b"1]", b"[" + b"{}," * (2 * MOST_ROWS) + b"{}]"):
        answer = bulk_client.post(BULK, content=body, headers=headers)
        assert "at most 100000 rows" in problem_of(answer, 413)
        assert answer.json()["type"] == "urn:parivision:problem:too-large"
    assert "at most 64 MB" in problem_of(
        bulk_client.post(BULK, content=b" " * (64 * 1024**2 + 1), headers=headers), 413
    )
    assert not bulk_service.recorder.recorded


def test_the_errors_of_refused_rows_are_limited(bulk_client: TestClient[Any]) -> None:
    unknown = {f"foo{i}": 1 for i in range(50)}
    count = SHOWN_IN_FULL + 10
    answer = bulk_client.post(BULK, json=[SHOT, *([SHOT | {"team": "X" * 1000} | unknown] * count)])
    problems = answer.json()["problems"]
    assert [problem["row"] for problem in problems] == list(range(1, count + 1))
    assert [len(problem["errors"]) for problem in problems] == [MOST_ERRORS] * SHOWN_IN_FULL + [1] * 10
    first, last = problems[0]["errors"][0], problems[-1]["errors"][0]
    assert first["field"] == last["field"] == "team"
    assert "known are ATL" in first["message"]
    assert last["message"].startswith("Invalid enum value 'XXX")
    assert len(last["message"]) < len(first["message"]) < 400


def test_a_row_larger_than_a_single_request_is_refused(bulk_client: TestClient[Any]) -> None:
    """Two large rows aren't decoded: one with unknown fields, one of lists that would take twenty times its size."""
    rows = [SHOT, {f"foo{i}": 1 for i in range(40_000)}, [[] for _ in range(200_000)], SHOT | {"x" * 40_000: 1}, SHOT]
    answer = bulk_client.post(BULK, json=rows).json()
    assert [prediction is None for prediction in answer["predictions"]] == [False, True, True, True, False]
    body = [[(error["field"], len(error["message"]) < 200) for error in p["errors"]] for p in answer["problems"]]
    assert body == [[("body", True)], [("body", True)], [("x" * LONGEST_QUOTE + "...", True)]]
    assert answer["problems"][0]["errors"][0]["message"].endswith("a single request has at most 65536")


def test_unknown_and_repeated_options_are_refused(bulk_service: BulkService, bulk_client: TestClient[Any]) -> None:
    for query, field in (("durabel=true", "durabel"), ("durable=true&durable=false", "durable")):
        problem_of(bulk_client.post(f"{BULK}?{query}", json=ROWS), 422, field)
    assert not bulk_service.recorder.recorded and not bulk_service.recorder.kept


def test_a_body_that_is_still_arriving_takes_no_place(bulk_service: BulkService) -> None:
    """A place is taken once the body has arrived, however many bodies stall."""
    places: list[int] = []

    async def stalled() -> dict[str, Any]:
        places.append(bulk_service.predictor.under_way)
        return {"type": "http.disconnect"}

    async def ignored(_: Any) -> None: ...

    scope = {"type": "http", "method": "POST", "path": BULK, "raw_path": BULK.encode(), "query_string": b""}
    scope |= {
        "headers": [(b"content-type", b"application/json")],
        "client": None,
        "server": None,
        "http_version": "1.1",
        "scheme": "http",
    }
    scope |= {"root_path": "", "asgi": {"version": "3.0"}, "extensions": {}}
    with bulk_service.client() as client:
        anyio.run(client.app, scope, stalled, ignored)
    assert places == [0]


def test_other_content_types_are_refused(bulk_client: TestClient[Any]) -> None:
    for kind in ("text/csv", "application/x-www-form-urlencoded", "application/vnd.apache.arrow.file"):
        answer = bulk_client.post(BULK, content=b"x", headers={"content-type": kind})
        assert f"not {kind}" in problem_of(answer, 415)
    # A page of another origin could send a body without any, and the browser wouldn't ask.
    assert "no content type" in problem_of(bulk_client.post(BULK, content=b"[]"), 415)


def test_bulk_requests_wait_and_single_requests_do_not(
    bulk_service: BulkService, bulk_client: TestClient[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While all places are taken, the next bulk request is refused and the event loop is free."""
    working, go_on = threading.Semaphore(0), threading.Event()
    predict_all = bulk.predict_all

    def slowly(*parts: Any) -> Any:
        working.release()
        assert go_on.wait(20)
        return predict_all(*parts)

    monkeypatch.setattr(bulk, "predict_all", slowly)
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(bulk_client.post(BULK, json=ROWS).status_code))
        for _ in range(AT_ONCE + WAITING)
    ]
    for thread in threads:
        thread.start()
    for _ in range(AT_ONCE):
        assert working.acquire(timeout=20)
    until(lambda: bulk_service.predictor.under_way == AT_ONCE + WAITING)
    refused = bulk_client.post(BULK, json=ROWS)
    problem_of(refused, 429)
    assert refused.headers["retry-after"] == "2"
    assert bulk_client.get("/schema/openapi.json").status_code == 200
    assert not working.acquire(blocking=False)
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert statuses == [200] * (AT_ONCE + WAITING)
    assert bulk_client.post(BULK, json=ROWS).status_code == 200


def test_the_prediction_log_keeps_a_bulk_request_unchanged(
    bulk_service: BulkService, bulk_client: TestClient[Any]
) -> None:
    named = {"game_date": "2023-01-05", "game_id": 22_200_001}
    requested = [SHOT, SHOT | {"x": 9999}, FULL_SHOT | named]
    answer = bulk_client.post(BULK, json=requested)
    (call,) = bulk_service.recorder.recorded
    assert (call.id, call.content, call.schema) == (answer.json()["id"], "rows", NBA.schema)
    assert json.loads(call.request) == requested
    body = np.frombuffer(call.probability, "<f8")
    assert np.isnan(body).tolist() == [False, True, False]
    assert body[[0, 2]].tolist() == [answer.json()["predictions"][row]["probability"] for row in (0, 2)]
    assert (call.champion_version, call.champion_sha256, call.feature_state_stamp) == (
        1,
        bulk_service.bundle.sha256,
        bulk_service.record.stamp,
    )
    assert call.awaited == ((2, NBA.shot_key(msgspec.convert(requested[2], NBA.request))),)
    assert call.latency_us > 0


def test_a_durable_bulk_request_is_answered_once_it_is_logged(
    bulk_service: BulkService, bulk_client: TestClient[Any]
) -> None:
    answer = bulk_client.post(BULK, params={"durable": True}, json=ROWS)
    assert [call.id for call in bulk_service.recorder.kept] == [answer.json()["id"]]
    assert not bulk_service.recorder.recorded
    bulk_service.recorder.error = StoreError("the disk is full")
    for durable in (True, False):  # a bulk request is never answered without being logged
        refused = bulk_client.post(BULK, params={"durable": durable}, json=ROWS)
        assert "the disk is full" in problem_of(refused, 503)
        assert refused.headers["retry-after"]
    assert not bulk_service.recorder.recorded


def test_without_a_champion_a_bulk_request_gets_503(bulk_service: BulkService) -> None:
    predictor = BulkPredictor(NBA, watcher_of(), bulk_service.recorder, Metrics())
    with client_of(bulk_route(NBA, predictor)) as client:
        problem_of(client.post(BULK, json=ROWS), 503)


def test_a_model_that_answers_nan_is_an_error(bulk_service: BulkService) -> None:
    def absurd(*_: Any) -> Any:
        return np.full(len(ROWS), np.nan, dtype=np.float32)

    broken: Any = watcher_of(bulk_service.bundle, bulk_service.record)
    object.__setattr__(broken.pair, "bundle", type("Absurd", (), {"predict": absurd})())
    with client_of(bulk_route(NBA, BulkPredictor(NBA, broken, bulk_service.recorder, Metrics()))) as client:
        problem_of(client.post(BULK, json=ROWS), 500)
    assert not bulk_service.recorder.recorded


def test_openapi_documents_json_and_arrow(bulk_client: TestClient[Any]) -> None:
    body = operation(bulk_client, "post", BULK)
    both = {"application/json", "application/vnd.apache.arrow.stream"}
    assert set(body["requestBody"]["content"]) == both == set(body["responses"]["200"]["content"])
    items = body["requestBody"]["content"]["application/json"]["schema"]["items"]
    assert set(items["properties"]) == set(NBA.request.__struct_fields__)
    assert items["properties"]["x"]["minimum"] == -250
    assert "$ref" not in json.dumps(items)
    assert set(body["responses"]) >= {"408", "413", "415", "421", "422", "429", "503"}
    assert "first 1000 refused rows up to 20 errors" in body["description"]
