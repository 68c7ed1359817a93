"""The service's routes over a small file: contract, errors, caching, OpenAPI."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from litestar.testing import TestClient

from parivision_core.problems import ConfigurationError
from parivision_serving.virtual_bets.app import create_app
from parivision_serving.virtual_bets.nba.documents import FIELDS
from parivision_serving.virtual_bets.settings import VirtualBetsSettings
from tests.helpers import shots
from tests.helpers.small_feed import FakeTime

DAYS = 6
SHOTS = 4 * 10
"""Four games a day, ten shots each."""


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Two seasons of six days in the layout of the original's documents."""
    seasons = [shots.season(games=24, shots=10, seed=i, start=f"202{i}-10-18") for i in (1, 2)]
    return shots.as_kaggle(pd.concat(seasons, ignore_index=True))


@pytest.fixture
def now() -> FakeTime:
    """A clock that stands still."""
    return FakeTime()


@pytest.fixture
def home_settings(tmp_path: Path, frame: pd.DataFrame) -> VirtualBetsSettings:
    """Settings that serve the frame."""
    return VirtualBetsSettings(home=tmp_path, file=shots.write(frame, tmp_path / "shots.csv"))


@pytest.fixture
def client(home_settings: VirtualBetsSettings, now: FakeTime) -> Iterator[TestClient[Any]]:
    """The service in its first season."""
    with TestClient(create_app(home_settings, now), base_url="http://127.0.0.1") as started:
        yield started


def listed(client: TestClient[Any], **query: int) -> dict[str, Any]:
    answer = client.get("/batches", params=query)
    assert answer.status_code == 200, answer.text
    listing: dict[str, Any] = answer.json()
    return listing


def test_batches_are_listed_by_cursor(client: TestClient[Any]) -> None:
    listing = listed(client, limit=4)
    assert (listing["next"], listing["newest"]) == (4, DAYS)
    assert listing["source"].startswith("file ")
    assert listing["batches"][0] | {"fingerprint": ""} == {
        "id": "2021-10-18",
        "cursor": 1,
        "fingerprint": "",
        "rows": SHOTS,
        "first_date": "2021-10-18",
        "last_date": "2021-10-18",
    }
    rest = listed(client, after=4)
    assert [b["cursor"] for b in rest["batches"]] == [5, 6]
    assert listed(client, after=6) == {"source": listing["source"], "batches": [], "next": 6, "newest": 6}
    assert listed(client, limit=4) == listing


def test_a_batch_answers_the_bytes_of_its_fingerprint(client: TestClient[Any]) -> None:
    for batch in listed(client)["batches"]:
        answer = client.get(f"/batches/{batch['id']}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert hashlib.sha256(answer.content).hexdigest() == batch["fingerprint"]
        assert answer.headers["etag"] == f'"{batch["fingerprint"]}"'
        assert len(answer.json()) == batch["rows"]
        assert client.get(f"/batches/{batch['id']}").content == answer.content


def test_documents_have_the_22_text_fields(client: TestClient[Any], frame: pd.DataFrame) -> None:
    documents = client.get("/batches/2021-10-18").json()
    assert len(FIELDS) == 22
    assert all(tuple(document) == FIELDS for document in documents)
    assert all(isinstance(value, str) for document in documents for value in document.values())
    assert documents == frame[frame["Game Date"] == "20211018"].to_dict("records")


def test_a_known_fingerprint_is_answered_without_content(client: TestClient[Any]) -> None:
    tag = client.get("/batches/2021-10-18").headers["etag"]
    for header in (tag, f"W/{tag}", "*", f'"other", {tag}'):
        answer = client.get("/batches/2021-10-18", headers={"If-None-Match": header})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert client.get("/batches/2021-10-18", headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("batch", ["nope", "2022-10-18", "2021-10-18-late", "%20"])
def test_an_unknown_batch_is_a_problem(client: TestClient[Any], batch: str) -> None:
    answer = client.get(f"/batches/{batch}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_later_batch_is_reported_as_not_announced(client: TestClient[Any], now: FakeTime) -> None:
    assert client.get("/batches/2022-10-18").json() == {
        "type": "urn:parivision:problem:unknown-batch",
        "title": "Not Found",
        "status": 404,
        "detail": "no batch '2022-10-18' has been announced; GET /batches lists those that are",
    }
    now.pass_days(1)
    assert client.get("/batches/2022-10-18").status_code == 200


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/batches?after=-1", "after"),
        ("/batches?after=x", "after"),
        ("/batches?after=7", "after"),
        ("/batches?limit=0", "limit"),
        ("/batches?limit=501", "limit"),
        ("/batches?limit=", "limit"),
        ("/getdata/0", "n"),
        ("/getdata/-3", "n"),
        ("/getdata/10001", "n"),
        ("/getdata/1.5", "n"),
        ("/getdata/ten", "n"),
    ],
)
def test_an_impossible_number_names_its_field(client: TestClient[Any], path: str, field: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:parivision:problem:invalid-request"
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_getdata_answers_as_the_original_service(
    client: TestClient[Any], home_settings: VirtualBetsSettings, now: FakeTime, frame: pd.DataFrame
) -> None:
    expected = frame[frame["Game Date"] < "20220901"].to_dict("records")
    answer = client.get("/getdata/50")
    assert answer.json() == expected[:50]
    assert answer.headers["cache-control"] == "no-store"
    assert client.get("/getdata/10000").json() == expected[50:]
    assert client.get("/getdata/5").json() == []
    assert client.get("/getdata/reset").json() == {"status": "reset", "counter": 0}
    assert client.get("/getdata/1").json() == expected[:1]
    assert client.get("/reset").json() == {"status": "reset", "counter": 0}
    assert client.get("/getdata/2").json() == expected[:2]


def test_the_counter_survives_a_restart(home_settings: VirtualBetsSettings, now: FakeTime) -> None:
    with TestClient(create_app(home_settings, now), base_url="http://127.0.0.1") as client:
        first = client.get("/getdata/7").json()
    with TestClient(create_app(home_settings, now), base_url="http://127.0.0.1") as client:
        assert client.get("/status").json()["counter"] == 7
        then = client.get("/getdata/3").json()
        client.get("/reset")
        assert client.get("/getdata/10").json() == first + then


def test_status_and_health(client: TestClient[Any], now: FakeTime) -> None:
    assert client.get("/").json()["status"] == "alive"
    assert client.get("/health/live").json() == {"status": "alive"}
    now.pass_days(2.2)
    client.get("/getdata/9")
    status = client.get("/status").json()
    assert status.pop("source").startswith("file ")
    assert status == {
        "scenario": "calm",
        "seed": 1,
        "days_a_minute": 30.0,
        "today": "2022-10-19",
        "season": 2,
        "waits": False,
        "finished": False,
        "batches": DAYS + 2,
        "counter": 9,
        "documents_served": 9,
    }


def test_unknown_paths_and_methods_are_problems(client: TestClient[Any]) -> None:
    for method, path, status in (("GET", "/nothing", 404), ("GET", "/getdata", 404), ("POST", "/batches", 405)):
        answer = client.request(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_openapi_describes_the_answers(client: TestClient[Any]) -> None:
    schema = client.get("/schema/openapi.json").json()
    assert sorted(schema["paths"]) == [
        "/",
        "/batches",
        "/batches/{batch_id}",
        "/getdata/reset",
        "/getdata/{n}",
        "/health/live",
        "/reset",
        "/status",
    ]
    assert sorted(schema["paths"]["/batches/{batch_id}"]["get"]["responses"]) == ["200", "304", "404", "500"]
    assert sorted(schema["paths"]["/getdata/{n}"]["get"]["responses"]) == ["200", "422", "500"]
    n = schema["paths"]["/getdata/{n}"]["get"]["parameters"][0]["schema"]
    assert (n["type"], n["minimum"], n["maximum"]) == ("integer", 1, 10_000)
    listing = schema["paths"]["/batches"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert listing["$ref"].endswith("/Listing")


def test_no_page_of_another_origin_moves_or_resets_it(client: TestClient[Any]) -> None:
    """It takes changes by GET, which a browser sends for an image of any page."""
    client.get("/getdata/1")
    before = client.get("/status").json()
    for path in ("/reset", "/getdata/reset", "/getdata/1", "/batches"):
        for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "http://127.0.0.1:3000"}):
            assert client.get(path, headers=headers).status_code == 403
    for path in ("/reset", "/status", "/health/live"):
        assert client.get(path, headers={"host": "evil.example"}).status_code == 421
    assert client.get("/status", headers={"sec-fetch-site": "cross-site"}).json() == before
    assert client.get("/reset", headers={"sec-fetch-site": "same-origin"}).status_code == 200


def test_it_can_be_given_names(home_settings: VirtualBetsSettings, now: FakeTime) -> None:
    with TestClient(create_app(replace(home_settings, hosts="virtual_bets"), now)) as named:
        for host, status in (("virtual_bets:8800", 200), ("localhost:8800", 200), ("other", 421)):
            assert named.get("/status", headers={"host": host}).status_code == status
    with pytest.raises(ConfigurationError, match=r"VIRTUAL_BETS_HOSTS names 'a:1', which is no host name"):
        VirtualBetsSettings.from_env({"VIRTUAL_BETS_HOSTS": "a:1"})
