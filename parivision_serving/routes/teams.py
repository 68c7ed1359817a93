"""GET /api/v1/teams: all teams with their abbreviations."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler

from parivision_core.sport import Sport, TeamCard
from parivision_serving.web.operations import answer_spec
from parivision_serving.web.problems import problem_specs
from parivision_serving.web.queries import refuse_misread


def teams_route(sport: Sport) -> HTTPRouteHandler:
    """Build the handler."""
    cards = list(sport.teams)

    @get(
        "/api/v1/teams",
        operation_id="teams",
        summary="All teams",
        description="Each with the abbreviation that a prediction request takes, and those in earlier shots.",
        tags=["prediction"],
        responses=answer_spec(list[TeamCard], "The teams.", cards[:1])
        | problem_specs(HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.INTERNAL_SERVER_ERROR),
    )
    async def teams(request: Request[Any, Any, Any]) -> list[TeamCard]:
        refuse_misread(request, {})
        return cards

    return teams
