"""/predict, /get_champion_infos, /api/v1/health: the original systems' routes, answered by today's champion."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from litestar.types import Scope
from msgspec import Meta

from parivision_core.sport import Sport
from parivision_core.tracking.registry import RegistryReader
from parivision_serving.prediction.champion import Watcher, pair_in_service
from parivision_serving.prediction.schemas import Prediction
from parivision_serving.routes.champion import EXAMPLE, ServedChampion, served_champion
from parivision_serving.web.admission import NO_KEY, OPEN, SCOPE
from parivision_serving.web.body import lenient_json
from parivision_serving.web.context import Context, context_of
from parivision_serving.web.keys import PREDICT
from parivision_serving.web.operations import PlainOperation, answer_spec
from parivision_serving.web.problems import InvalidRequestError, problem_specs

if TYPE_CHECKING:
    PredictionRequest = Any

Predict = Callable[[Any, Context], Awaitable[Prediction]]
"""Request and context -> prediction, which the prediction log keeps."""


class OriginalAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of the original system."""

    prediction: Annotated[int, Meta(ge=0, le=1, description="1 if a make is at least as likely as a miss, else 0.")]


class ChampionInfos(msgspec.Struct, frozen=True, kw_only=True):
    """The champion, as the original system wrapped it."""

    champion: ServedChampion


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The service answers predictions."""

    status: str = "ok"
    champion_version: int


def compat_routes(sport: Sport, registry: RegistryReader, watcher: Watcher, predict: Predict) -> list[HTTPRouteHandler]:
    """Build the handlers."""
    original = sport.original

    @post(
        "/predict",
        status_code=HTTPStatus.OK,
        operation_id="original_predict",
        operation_class=PlainOperation,
        summary="Predict whether a shot goes in, in the original system's format",
        description=original.description,
        tags=["compatibility"],
        opt={SCOPE: PREDICT},
        dto=lenient_json(original.request),
        return_dto=None,
        responses=answer_spec(OriginalAnswer, "The likelier outcome.", {"prediction": 0})
        | problem_specs(
            HTTPStatus.REQUEST_TIMEOUT,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.SERVICE_UNAVAILABLE,
            HTTPStatus.INTERNAL_SERVER_ERROR,
        ),
        signature_namespace={"PredictionRequest": original.request},
    )
    async def original_predict(data: JSONBody[PredictionRequest], scope: Scope) -> OriginalAnswer:
        if found := original.problems(data):
            raise InvalidRequestError(found)
        answer = await predict(original.translate(data), context_of(scope))
        return OriginalAnswer(prediction=int(answer.probability >= 0.5))

    @get(
        "/get_champion_infos",
        operation_id="original_champion",
        summary="The champion, in the original system's format",
        description="The same as /api/v1/champion, inside the field `champion`.",
        tags=["compatibility"],
        responses=answer_spec(ChampionInfos, "The champion.", {"champion": EXAMPLE})
        | problem_specs(HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INTERNAL_SERVER_ERROR),
    )
    async def original_champion() -> ChampionInfos:
        return ChampionInfos(champion=served_champion(registry, watcher))

    @get(
        "/api/v1/health",
        operation_id="health",
        summary="Whether predictions are answered",
        description="The same as /health/ready, at the path of the original system.",
        tags=["compatibility"],
        opt={SCOPE: OPEN},
        security=NO_KEY,
        responses=answer_spec(Health, "Predictions are answered.", {"status": "ok", "champion_version": 3})
        | problem_specs(HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INTERNAL_SERVER_ERROR, guarded=False),
    )
    async def health() -> Health:
        return Health(champion_version=pair_in_service(watcher).champion.version)

    return [original_predict, original_champion, health]
