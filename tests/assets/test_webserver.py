"""Dagster's webserver takes GraphQL as JSON by POST alone, and is addressed by its own names alone."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from parivision_assets.webserver import protected
from parivision_core.settings import Settings


def client(**settings: Any) -> TestClient:
    """A client of an application that answers everything, behind what protects Dagster's."""

    async def answer(_: Any) -> PlainTextResponse:
        return PlainTextResponse("taken")

    app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
    return TestClient(protected(app, Settings(**settings)), base_url="http://127.0.0.1:3000")


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_graphql_is_taken_as_json_by_post(kind: str) -> None:
    assert client().post("/graphql", content="{}", headers={"content-type": kind}).text == "taken"


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "",
        "text/plain",
        "text/plain; application/json",
        "application/json-patch+json",
        "application/graphql",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=application/json",
    ],
)
def test_what_any_page_may_send_is_no_graphql(kind: str | None) -> None:
    """Dagster looks for application/json anywhere in the header, and without it takes the query from the address."""
    headers = {} if kind is None else {"content-type": kind}
    answer = client().post("/graphql?query=mutation{x}", content="{}", headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (415, "send GraphQL as application/json")


def test_get_shows_the_page_for_queries_and_answers_none() -> None:
    for method in ("GET", "HEAD"):
        answer = client().request(method, "/graphql?query=mutation{x}", headers={"accept": "image/png,*/*"})
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        assert client().request(method, "/%67raphql?query=mutation{x}").status_code == 405
    assert client().get("/graphql", headers={"accept": "text/html,*/*"}).text == "taken"
    assert client().get("/server_info").text == client().get("/runs").text == "taken"


def test_it_is_addressed_by_its_own_names_alone() -> None:
    named = client(dagster_hosts="Dagster.example.com")
    statuses = {
        host: [asked.get("/", headers={"host": host}).status_code for asked in (client(), named)]
        for host in ("127.0.0.1:3000", "dagster.example.com", "evil.example")
    }
    assert list(statuses.values()) == [[200, 200], [421, 200], [421, 421]]
    assert "PARIVISION_DAGSTER_HOSTS" in client().get("/", headers={"host": "evil.example"}).text
