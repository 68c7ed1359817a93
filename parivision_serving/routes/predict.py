"""POST /api/v1/predict: the one hot path, from bytes to bytes without a thread, a frame or a lock."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody
from litestar.types import ASGIApp, Scope

from parivision_core.sport import FieldProblem, Sport
from parivision_serving.prediction.predicting import JsonAnswer, Predictor, question_of
from parivision_serving.web.admission import SCOPE
from parivision_serving.web.body import strict_json
from parivision_serving.web.context import context_of
from parivision_serving.web.keys import PREDICT
from parivision_serving.web.operations import PlainOperation
from parivision_serving.web.problems import InvalidRequestError, documented

if TYPE_CHECKING:
    Question = Any

NO_QUERY = "this route takes no query parameters; `durable` and `explain` are fields of the body"


def predict_route(sport: Sport, predictor: Predictor) -> HTTPRouteHandler:
    """Build the handler; a sport brings its own request and details, so their types are known only here."""
    question = question_of(sport.request)

    @post(
        "/api/v1/predict",
        status_code=HTTPStatus.OK,
        operation_id="predict",
        operation_class=PlainOperation,
        summary="Chance that a shot goes in",
        description="The probability by the champion, beside the league's make rate from the same spot, with what was "
        "derived from the request and what answered it. The prediction log keeps every prediction under its id.",
        tags=["prediction"],
        opt={SCOPE: PREDICT},
        dto=strict_json(question),
        responses={
            HTTPStatus.OK.value: ResponseSpec(predictor.answer, generate_examples=False, description="The prediction."),
            **documented(
                HTTPStatus.REQUEST_TIMEOUT,
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                HTTPStatus.UNPROCESSABLE_ENTITY,
                HTTPStatus.SERVICE_UNAVAILABLE,
                HTTPStatus.INTERNAL_SERVER_ERROR,
            ),
        },
        signature_namespace={"Question": question},
    )
    async def predict(data: JSONBody[Question], scope: Scope) -> ASGIApp:
        if scope["query_string"]:
            raise InvalidRequestError([FieldProblem("query", NO_QUERY)])
        # A Litestar response would cost a third of the request: what is sent here is bytes already.
        context = context_of(scope)
        return JsonAnswer(await predictor.predict(data, context, explained=data.explain, durable=data.durable))

    return predict
