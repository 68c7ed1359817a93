"""GET /api/v1/teams: the teams, for whoever asks for one by abbreviation."""

from __future__ import annotations

from http import HTTPStatus

from litestar import get
from litestar.handlers import HTTPRouteHandler

from parivision_core.sport import Sport, TeamCard
from parivision_serving.problems import documented
from parivision_serving.routes.operations import answered


def teams_route(sport: Sport) -> HTTPRouteHandler:
    """Build the handler."""
    cards = list(sport.teams)

    @get(
        "/api/v1/teams",
        operation_id="teams",
        summary="All teams",
        description="With the abbreviation that a prediction takes, and those under which earlier shots have them.",
        tags=["prediction"],
        responses=answered(list[TeamCard], "The teams.", cards[:1]) | documented(HTTPStatus.INTERNAL_SERVER_ERROR),
    )
    async def teams() -> list[TeamCard]:
        return cards

    return teams
