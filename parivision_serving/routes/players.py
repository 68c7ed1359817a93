"""GET /api/v1/players: the players that the feature state in service knows, by name, for whoever asks for a `player_id`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from parivision_core.sport import Player, Sport
from parivision_serving.prediction.champion import Watcher
from parivision_serving.prediction.served import served
from parivision_serving.web.operations import PlainOperation
from parivision_serving.web.problems import documented
from parivision_serving.web.queries import refuse_misread

MOST = 50
LONGEST_SEARCH = 100


def players_route(sport: Sport, watcher: Watcher) -> HTTPRouteHandler:
    """Build the handler; it compares names in memory, so it needs no thread."""
    find = sport.find_players

    @get(
        "/api/v1/players",
        operation_id="players",
        operation_class=PlainOperation,
        summary="Players by name",
        description="Those in whose name every word of the search begins a word, then those in whose name each is a "
        "part of one; among them more shots come first. A player is listed from the first shot that the feature state has seen "
        "with his name.",
        tags=["prediction"],
        responses=documented(
            HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INTERNAL_SERVER_ERROR
        ),
    )
    async def players(
        request: Request[Any, Any, Any],
        search: Annotated[
            str,
            Parameter(
                max_length=LONGEST_SEARCH,
                description="Words of a name or parts of them; case and accents don't matter. Without it, all players.",
            ),
        ] = "",
        limit: Annotated[int, Parameter(ge=1, le=MOST, description="At most so many players.")] = 10,
    ) -> list[Player]:
        refuse_misread(request, {"search": search, "limit": limit})
        return find(served(watcher).feature_state, search, limit)

    return players
