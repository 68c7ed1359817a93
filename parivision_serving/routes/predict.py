"""POST /api/v1/predict: the one hot path, from bytes to bytes without a thread, a frame or a lock."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from parivision_core.sport import Sport
from parivision_serving.body import strict_json
from parivision_serving.champion import Watcher
from parivision_serving.problems import InvalidRequestError, documented
from parivision_serving.routes.operations import PlainOperation
from parivision_serving.routes.served import served
from parivision_serving.schemas import Prediction, prediction_of

if TYPE_CHECKING:
    Question = Any
    Answer = Prediction


def predict_route(sport: Sport, watcher: Watcher) -> HTTPRouteHandler:
    """Build the handler; a sport brings its own request and details, so their types are known only here."""
    problems, prepare, answer = sport.problems, sport.prepare, prediction_of(sport.details)

    @post(
        "/api/v1/predict",
        status_code=HTTPStatus.OK,
        operation_id="predict",
        operation_class=PlainOperation,
        summary="Chance that a shot goes in",
        description="The probability by the champion, beside the league's make rate from the same spot, with what was "
        "derived from the request and what answered it.",
        tags=["prediction"],
        dto=strict_json(sport.request),
        return_dto=None,
        responses=documented(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.SERVICE_UNAVAILABLE,
            HTTPStatus.INTERNAL_SERVER_ERROR,
        ),
        signature_namespace={"Question": sport.request, "Answer": answer},
    )
    async def predict(data: JSONBody[Question]) -> Answer:
        if found := problems(data):
            raise InvalidRequestError(found)
        pair = served(watcher)  # once: the pair may be swapped while this request is answered
        prepared = prepare(data, pair.form)
        probability = float(pair.bundle.predict(prepared.features, prepared.offset)[0])
        if not 0 < probability < 1:
            raise ValueError(f"version {pair.champion.version} answers {probability} to {data}")
        return answer(
            probability=probability,
            expected_points=probability * prepared.points,
            league_average=prepared.league_average,
            shot=prepared.details,
            champion_version=pair.champion.version,
            champion_sha256=pair.champion.sha256,
            form_stamp=pair.record.stamp,
            form_through=pair.record.through,
        )

    return predict
