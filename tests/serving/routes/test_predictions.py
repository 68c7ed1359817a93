"""The routes of the prediction log: pages and filters, single predictions, deletion, outcomes, and what is refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from parivision_core.nba.shots import NBA
from parivision_core.prediction_log.base import Outcome, PredictionLog
from parivision_core.prediction_log.ids import first_at, made_at, new_id
from parivision_core.problems import StoreError
from parivision_core.records import now_ms
from parivision_serving.prediction_log.recorder import Recorder
from parivision_serving.routes import predictions as module
from parivision_serving.routes.predictions import predictions_routes
from tests.helpers.prediction_logs import many, one, opened
from tests.helpers.small_app import client_of
from tests.helpers.stores import Place

URL = "/api/v1/predictions"
NAMED = "018e4c5a-7b1e-7000-8000-3f2a9c1d5e77"


class Service:
    """The routes over a prediction log, with the log and the recorder."""

    def __init__(self, prediction_log: PredictionLog, client: TestClient[Any], recorder: Recorder) -> None:
        self.prediction_log, self.client, self.recorder = prediction_log, client, recorder

    def page(self, **query: Any) -> dict[str, Any]:
        answer = self.client.get(URL, params=query)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def names(self, **query: Any) -> list[str]:
        return [prediction["id"] for prediction in self.page(**query)["predictions"]]


def serve(prediction_log: PredictionLog) -> Iterator[Service]:
    recorder = Recorder(prediction_log)
    with client_of(*predictions_routes(NBA, prediction_log, recorder)) as client:
        yield Service(prediction_log, client, recorder)
    recorder.close()
    prediction_log.close()


@pytest.fixture
def service(place: Place) -> Iterator[Service]:
    yield from serve(opened(place))


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Service]:
    yield from serve(opened({"kind": "files", "folder": str(tmp_path)}))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service for requests that are refused."""
    yield from serve(opened({"kind": "files", "folder": str(tmp_path_factory.mktemp("log"))}))


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A young prediction that isn't found is looked for again after a multiple of this."""
    monkeypatch.setattr(module, "GROUP_SECONDS", 0.001)


def problem(answer: Any, status: int) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    body: dict[str, Any] = answer.json()
    return body


def test_what_was_recorded_is_found_at_once(service: Service) -> None:
    call, batch = one(0.25), many([0.1, float("nan"), 0.3])
    service.recorder.record(call)
    body = service.client.get(f"{URL}/{call.id}").json()
    assert (body["id"], body["probability"], body["request"]["player_id"], body["outcome"]) == (call.id, 0.25, 7, None)
    service.recorder.record(batch)
    assert service.names() == [f"{batch.id}:0", f"{batch.id}:2", call.id]
    assert service.page()["next"] is None
    assert service.client.get(f"{URL}/{batch.id}:2").json()["probability"] == 0.3


def test_pages_follow_each_other(service: Service) -> None:
    calls = [one() for _ in range(7)]
    service.prediction_log.append(calls)
    found, cursor = [], None
    while True:
        body = service.page(limit=3, **({"cursor": cursor} if cursor else {}))
        found += [prediction["id"] for prediction in body["predictions"]]
        if (cursor := body["next"]) is None:
            break
    assert found == [call.id for call in calls[::-1]]


def test_predictions_are_filtered_by_log_and_request_fields(embedded: Service) -> None:
    now = now_ms()
    old = one(id=first_at(now - 86_400_000), request={"player_id": 1, "team": "GSW", "home": True})
    new = one(id=first_at(now), request={"player_id": 2, "team": "LAL"}, champion_version=9, caller="analyst")
    embedded.prediction_log.append([old, new])
    embedded.prediction_log.put_outcomes({old.id: Outcome(made=True, source="lake", reported_at=1)})
    for query, meant in (
        ({"player_id": 1}, old),
        ({"team": "LAL"}, new),
        ({"home": True}, old),
        ({"champion_version": 9}, new),
        ({"caller": "analyst"}, new),
        ({"outcome": "made"}, old),
        ({"outcome": "unknown"}, new),
        ({"since": now - 1000}, new),
        ({"until": now - 1000}, old),
        ({"until": "2999-01-01T00:00:00Z", "since": now}, new),
        ({"since": "1999-01-01T00:00:00", "until": now}, old),
        ({"since": "1900-01-01T00:00:00+02:00", "limit": 1}, new),
    ):
        assert embedded.names(**query) == [meant.id], query
    assert embedded.names(player_id=1, team="LAL") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"since": "yesterday"}, "since"),
        ({"until": 2**48}, "until"),
        ({"outcome": "late"}, "outcome"),
        ({"champion_version": "latest"}, "champion_version"),
        ({"player_id": "Curry"}, "player_id"),
        ({"team": "XYZ"}, "team"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": f"{NAMED}\n"}, "cursor"),
        ({"player": 1}, "player"),
        ({"made": True}, "made"),
    ],
)
def test_an_impossible_query_is_reported(shared: Service, query: dict[str, Any], field: str) -> None:
    body = problem(shared.client.get(URL, params=query), 422)
    assert [error["field"] for error in body["errors"]] == [field]


@pytest.mark.parametrize("name", ["x", "018e4c5a-7b1e-4000-8000-3f2a9c1d5e77", f"{NAMED}:x", f"{NAMED}%0A"])
@pytest.mark.parametrize("method", ["get", "delete", "post"])
def test_an_invalid_prediction_id_is_refused(shared: Service, method: str, name: str) -> None:
    path, body = (f"{URL}/{name}/outcome", {"json": {"made": True}}) if method == "post" else (f"{URL}/{name}", {})
    answer = problem(shared.client.request(method, path, **body), 422)
    assert [error["field"] for error in answer["errors"]] == ["prediction_id"]


def test_an_unknown_prediction_is_not_found(service: Service) -> None:
    batch = many([0.1, float("nan")])
    service.prediction_log.append([batch])
    for name in (new_id(), first_at(1), f"{batch.id}:1", f"{batch.id}:7", batch.id):
        body = problem(service.client.get(f"{URL}/{name}"), 404)
        assert (body["type"], name in body["detail"]) == ("urn:parivision:problem:not-found", True)
        body = problem(service.client.post(f"{URL}/{name}/outcome", json={"made": True}), 404)
        assert name in body["detail"]
    problem(service.client.delete(f"{URL}/{new_id()}"), 404)
    problem(service.client.delete(f"{URL}/{batch.id}:7"), 404)


def test_another_process_is_given_time_to_write(embedded: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other process answered, and writes between two reads."""
    call, looked = one(), []
    get = embedded.prediction_log.call

    def late(call_id: str) -> Any:
        looked.append(call_id)
        if len(looked) == 1:
            embedded.prediction_log.append([call])
            return None
        return get(call_id)

    monkeypatch.setattr(embedded.prediction_log, "call", late)
    monkeypatch.setattr(module, "now_ms", lambda: made_at(call.id) + 50)
    assert embedded.client.get(f"{URL}/{call.id}").status_code == 200
    assert len(looked) == 2


def test_a_deleted_prediction_is_gone(service: Service) -> None:
    call, batch = one(), many([0.1, 0.2])
    service.recorder.record(call)
    service.recorder.record(batch)
    gone = service.client.delete(f"{URL}/{call.id}")
    assert (gone.status_code, gone.content) == (204, b"")
    problem(service.client.get(f"{URL}/{call.id}"), 404)
    problem(service.client.delete(f"{URL}/{call.id}"), 404)
    assert service.client.delete(f"{URL}/{batch.id}:0").status_code == 204
    assert service.names() == [f"{batch.id}:1"]
    assert service.client.delete(f"{URL}/{batch.id}").status_code == 204
    assert service.names() == []


def test_an_outcome_can_be_reported_until_the_lake_has_it(service: Service) -> None:
    call = one()
    service.recorder.record(call)
    before = now_ms()
    body = service.client.post(f"{URL}/{call.id}/outcome", json={"made": True})
    assert body.status_code == 200
    outcome = body.json()["outcome"]
    assert (outcome["made"], outcome["source"]) == (True, "caller")
    assert before <= outcome["reported_at"] <= now_ms()
    body = service.client.post(f"{URL}/{call.id}/outcome", json={"made": False})
    assert body.json()["outcome"]["made"] is False
    service.prediction_log.put_outcomes({call.id: Outcome(made=True, source="lake", reported_at=5)})
    body = service.client.post(f"{URL}/{call.id}/outcome", json={"made": False})
    assert body.json()["outcome"] == {"made": True, "source": "lake", "reported_at": 5}
    assert service.names(outcome="made") == [call.id]


def test_a_young_prediction_of_another_process_is_waited_for(
    embedded: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process writes later than usual."""
    call, old, looked = one(), first_at(now_ms() - 61_000), []
    get = embedded.prediction_log.call

    def late(call_id: str) -> Any:
        looked.append(call_id)
        if looked == [call.id]:
            embedded.prediction_log.append([call])
            return None
        return get(call_id)

    monkeypatch.setattr(embedded.prediction_log, "call", late)
    monkeypatch.setattr(module, "now_ms", lambda: made_at(call.id) + 50_000)
    assert embedded.client.post(f"{URL}/{call.id}/outcome", json={"made": True}).status_code == 200
    monkeypatch.setattr(module, "now_ms", now_ms)
    looked.clear()
    problem(embedded.client.get(f"{URL}/{old}"), 404)
    assert looked == [old]


def test_reads_do_not_wait_behind_writes_that_are_held_up(embedded: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    call, held = one(), threading.Event()
    embedded.prediction_log.append([call])
    put = embedded.prediction_log.put_outcomes

    def slow(outcomes: Any) -> None:
        assert held.wait(20)
        put(outcomes)

    monkeypatch.setattr(embedded.prediction_log, "put_outcomes", slow)

    def report(_: int) -> int:
        return int(embedded.client.post(f"{URL}/{call.id}/outcome", json={"made": True}).status_code)

    with ThreadPoolExecutor(4) as pool:
        try:
            reports = [pool.submit(report, i) for i in range(3)]
            read = pool.submit(embedded.client.get, f"{URL}/{call.id}")
            assert read.result(timeout=10).json()["outcome"] is None
            assert not any(one.done() for one in reports)
        finally:
            held.set()
        assert [one.result() for one in reports] == [200] * 3


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"made": 1}', b'{"made": true, "points": 3}'])
def test_an_invalid_outcome_is_refused(shared: Service, body: bytes) -> None:
    call = one()
    shared.recorder.record(call)
    headers = {"content-type": "application/json"}
    answer = problem(shared.client.post(f"{URL}/{call.id}/outcome", content=body, headers=headers), 422)
    assert answer["errors"]
    assert shared.client.get(f"{URL}/{call.id}").json()["outcome"] is None


def test_a_prediction_log_that_cannot_be_written_is_read(embedded: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    call = one()
    embedded.prediction_log.append([call])

    def full(_: Any) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(embedded.prediction_log, "append", full)
    embedded.recorder.record(one())
    assert embedded.names() == [call.id]
    monkeypatch.undo()


def test_a_prediction_log_that_cannot_be_read_is_a_503(embedded: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise StoreError("the prediction log can't be read; restore it")

    for name in ("call", "calls", "delete"):
        monkeypatch.setattr(embedded.prediction_log, name, broken)
    for method, path in (("get", URL), ("get", f"{URL}/{new_id()}"), ("delete", f"{URL}/{new_id()}")):
        answer = embedded.client.request(method, path)
        assert "restore it" in problem(answer, 503)["detail"]
        assert answer.headers["retry-after"]


def test_openapi_documents_all_routes(shared: Service) -> None:
    paths = shared.client.get("/schema/openapi.json").json()["paths"]
    operations = {o["operationId"]: o for path, item in paths.items() if path.startswith(URL) for o in item.values()}
    errors = {"401", "403", "421", "422", "429", "500", "503"}
    assert {name: set(o["responses"]) for name, o in operations.items()} == {
        "predictions": {"200"} | errors,
        "prediction": {"200", "404"} | errors,
        "delete_prediction": {"204", "404"} | errors,
        "report_outcome": {"200", "404", "408", "413", "415"} | errors,
    }
    for operation in operations.values():
        assert operation["summary"] and operation["description"] and operation["tags"] == ["prediction_log"]
        for parameter in operation["parameters"]:
            assert parameter["description"], parameter["name"]
    names = {parameter["name"] for parameter in operations["predictions"]["parameters"]}
    assert {"since", "until", "champion_version", "caller", "player_id", "outcome", "limit", "cursor"} <= names
    shown = operations["prediction"]["responses"]["200"]["content"]["application/json"]
    assert shown["schema"] == {"$ref": "#/components/schemas/LoggedPrediction"}
