"""GET /api/v1/players: finds the `player_id` of players in the feature state in service by their names."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from parivision_core.sport import Player, Sport
from parivision_serving.prediction.champion import Watcher, pair_in_service
from parivision_serving.web.operations import PlainOperation
from parivision_serving.web.problems import problem_specs
from parivision_serving.web.queries import refuse_misread

MOST = 50
LONGEST_SEARCH = 100


def players_route(sport: Sport, watcher: Watcher) -> HTTPRouteHandler:
    """Build the handler, which searches in memory and so needs no thread."""
    find = sport.find_players

    @get(
        "/api/v1/players",
        operation_id="players",
        operation_class=PlainOperation,
        summary="Find players by name",
        description="First players whose names have words that begin with the words of the search, then those whose "
        "names contain them; within each group those with most shots first. Players are listed once the feature state "
        "holds a shot with their name.",
        tags=["prediction"],
        responses=problem_specs(
            HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INTERNAL_SERVER_ERROR
        ),
    )
    async def players(
        request: Request[Any, Any, Any],
        search: Annotated[
            str,
            Parameter(
                max_length=LONGEST_SEARCH,
                description="Words of a name or parts of them; case and accents are ignored. Without it, all players.",
            ),
        ] = "",
        limit: Annotated[int, Parameter(ge=1, le=MOST, description="Most players to return.")] = 10,
    ) -> list[Player]:
        refuse_misread(request, {"search": search, "limit": limit})
        return find(pair_in_service(watcher).feature_state, search, limit)

    return players
