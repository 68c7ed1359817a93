"""GET /api/v1/teams."""

from __future__ import annotations

from parivision_core.nba.shots import NBA
from parivision_core.nba.teams import ABBREVIATIONS
from parivision_serving.routes.teams import teams_route
from tests.helpers.small_app import client_of, operation, problem_of


def test_all_teams_have_their_current_and_former_abbreviations() -> None:
    with client_of(teams_route(NBA)) as client:
        body = client.get("/api/v1/teams").json()
        operation(client, "get", "/api/v1/teams")
    assert {team["team_id"]: (team["abbreviation"], *team["former_abbreviations"]) for team in body} == ABBREVIATIONS
    (nets,) = (team for team in body if team["abbreviation"] == "BKN")
    assert nets == {
        "team_id": 1610612751,
        "abbreviation": "BKN",
        "former_abbreviations": ["NJN"],
        "city": "Brooklyn",
        "name": "Brooklyn Nets",
    }
    assert len({team["name"] for team in body}) == 30


def test_a_query_is_refused() -> None:
    with client_of(teams_route(NBA)) as client:
        assert "this route takes none" in problem_of(client.get("/api/v1/teams?team=LAL"), 422, "team")
