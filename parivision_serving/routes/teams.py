"""GET /api/v1/teams: the teams, for whoever asks for one by abbreviation."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler

from parivision_core.sport import Sport, TeamCard
from parivision_serving.web.operations import answered
from parivision_serving.web.problems import documented
from parivision_serving.web.queries import refuse_misread


def teams_route(sport: Sport) -> HTTPRouteHandler:
    """Build the handler."""
    cards = list(sport.teams)

    @get(
        "/api/v1/teams",
        operation_id="teams",
        summary="All teams",
        description="With the abbreviation that a prediction takes, and those under which earlier shots have them.",
        tags=["prediction"],
        responses=answered(list[TeamCard], "The teams.", cards[:1])
        | documented(HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.INTERNAL_SERVER_ERROR),
    )
    async def teams(request: Request[Any, Any, Any]) -> list[TeamCard]:
        refuse_misread(request, {})
        return cards

    return teams
