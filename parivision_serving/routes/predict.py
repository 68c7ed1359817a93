"""POST /api/v1/predict: the hot path, from bytes to bytes without a thread, a data frame or a lock."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody
from litestar.types import ASGIApp, Scope

from parivision_core.sport import FieldProblem, Sport
from parivision_serving.prediction.predicting import JsonAnswer, Predictor, request_type_of
from parivision_serving.web.admission import SCOPE
from parivision_serving.web.body import strict_json
from parivision_serving.web.context import context_of
from parivision_serving.web.keys import PREDICT
from parivision_serving.web.operations import PlainOperation
from parivision_serving.web.problems import InvalidRequestError, problem_specs

if TYPE_CHECKING:
    PredictionRequest = Any

NO_QUERY = "this route takes no query parameters; `durable` and `explain` are fields of the body"


def predict_route(sport: Sport, predictor: Predictor) -> HTTPRouteHandler:
    """Build the handler; each sport has its own types of request and details."""
    request_type = request_type_of(sport.request)

    @post(
        "/api/v1/predict",
        status_code=HTTPStatus.OK,
        operation_id="predict",
        operation_class=PlainOperation,
        summary="Predict a shot",
        description="The champion's probability that the shot goes in, beside the league's make rate from the same "
        "spot, what was derived from the request, and the versions that answered. The prediction log keeps every "
        "prediction under its id.",
        tags=["prediction"],
        opt={SCOPE: PREDICT},
        dto=strict_json(request_type),
        responses={
            HTTPStatus.OK.value: ResponseSpec(predictor.answer, generate_examples=False, description="The prediction."),
            **problem_specs(
                HTTPStatus.REQUEST_TIMEOUT,
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                HTTPStatus.UNPROCESSABLE_ENTITY,
                HTTPStatus.SERVICE_UNAVAILABLE,
                HTTPStatus.INTERNAL_SERVER_ERROR,
            ),
        },
        signature_namespace={"PredictionRequest": request_type},
    )
    async def predict(data: JSONBody[PredictionRequest], scope: Scope) -> ASGIApp:
        if scope["query_string"]:
            raise InvalidRequestError([FieldProblem("query", NO_QUERY)])
        # A Litestar response would cost a third of the request.
        context = context_of(scope)
        return JsonAnswer(await predictor.predict(data, context, explained=data.explain, durable=data.durable))

    return predict
