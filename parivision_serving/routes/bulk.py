"""POST /api/v1/predict/bulk: up to 100,000 shots in one request, as JSON or as an Arrow stream."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, cast

import msgspec
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, Operation, RequestBody, Schema
from litestar.params import Parameter

from parivision_core.arrow import MEDIA_TYPE as ARROW
from parivision_core.sport import Sport
from parivision_serving.prediction.bulk import AT_ONCE, WAITING, BulkAnswer, BulkPredictor, Content
from parivision_serving.prediction.bulk_rows import LARGEST_ROW, MOST_ROWS, SHOWN_IN_FULL
from parivision_serving.web.admission import SCOPE
from parivision_serving.web.body import JSON
from parivision_serving.web.context import context_of
from parivision_serving.web.keys import PREDICT
from parivision_serving.web.operations import PlainOperation, answer_spec
from parivision_serving.web.problems import MOST_ERRORS, UnknownContentError, problem_specs, shortened
from parivision_serving.web.queries import refuse_misread
from parivision_serving.web.uploads import Uploads

LARGEST_BULK_REQUEST = 64 * 1024 * 1024
EXAMPLE = {
    "id": "018bcfe5-6800-7000-8000-000000000000",
    "champion_version": 3,
    "champion_sha256": "c17e" * 16,
    "feature_state_stamp": "68aa" * 4,
    "feature_state_through": "2023-04-09",
    "predictions": [{"probability": 0.4001, "expected_points": 0.8001, "league_average": 0.4319}, None],
    "problems": [{"row": 1, "errors": [{"field": "x", "message": "this field is missing"}]}],
}
_MEDIA_TYPES: dict[Content, str] = {"rows": JSON, "arrow": ARROW}


def bulk_route(sport: Sport, predictor: BulkPredictor) -> HTTPRouteHandler:
    """Build the handler."""
    uploads = Uploads(LARGEST_BULK_REQUEST, (AT_ONCE + WAITING) * LARGEST_BULK_REQUEST)

    @post(
        "/api/v1/predict/bulk",
        status_code=HTTPStatus.OK,
        operation_id="predict_bulk",
        operation_class=_operation(sport),
        summary="Predict many shots",
        description=f"Up to {MOST_ROWS} shots, as a JSON array of what `/api/v1/predict` takes, or as an Arrow IPC "
        "stream whose columns are named as its fields: integers, floats, booleans and text, also as a dictionary, "
        "uncompressed; null leaves a field out. Predictions keep the order of the rows. The prediction of a refused "
        "row is null, and `problems` lists its errors; the other rows are answered all the same. For each of the first "
        f"{SHOWN_IN_FULL} refused rows up to {MOST_ERRORS} errors are listed, for further rows the first error, "
        f"shortened; a row of more than {LARGEST_ROW // 1024} kB is refused. The answer has the content type of the "
        f"request, unless `Accept` names the other: JSON, or an Arrow stream ({ARROW}) with the columns `probability`, "
        "`expected_points`, `league_average` and `problem`, whose metadata holds the other fields of the JSON. The "
        "prediction log keeps every prediction under the request's id and its row.",
        tags=["prediction"],
        opt={SCOPE: PREDICT},
        responses={
            **answer_spec(BulkAnswer, "The predictions.", EXAMPLE),
            **problem_specs(
                HTTPStatus.REQUEST_TIMEOUT,
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                HTTPStatus.UNPROCESSABLE_ENTITY,
                HTTPStatus.SERVICE_UNAVAILABLE,
                HTTPStatus.INTERNAL_SERVER_ERROR,
            ),
        },
    )
    async def predict_bulk(
        request: Request[Any, Any, Any],
        durable: Annotated[
            bool, Parameter(description="Answer once the predictions are in the prediction log and survive a crash.")
        ] = False,
    ) -> Response[bytes]:
        refuse_misread(request, {"durable": durable})
        content = _content(request.content_type[0])
        accepted = request.accept.best_match([_MEDIA_TYPES[content], *_MEDIA_TYPES.values()])
        wanted: Content = "arrow" if accepted == ARROW else "rows" if accepted == JSON else content
        context = context_of(request.scope)
        predictor.check_place()  # before the body is sent in vain
        async with uploads.body(request) as body, predictor.admitted():
            encoded, pair = await predictor.predict(body, content, wanted, context, durable=durable)
        source = {
            "X-Prediction-Id": context.id,
            "X-Champion-Version": str(pair.champion.version),
            "X-Feature-State-Stamp": pair.record.stamp,
        }
        return Response(encoded, media_type=_MEDIA_TYPES[wanted], headers=source)

    return predict_bulk


def _content(media_type: str) -> Content:
    if media_type == ARROW:
        return "arrow"
    if media_type == JSON:
        return "rows"
    given = shortened(media_type) or "of no content type"
    raise UnknownContentError(f"a bulk request is {JSON} or {ARROW}, not {given}; name it so in Content-Type")


def _operation(sport: Sport) -> type[Operation]:
    """An operation that documents what Litestar can't see: both content types of the body and of the answer."""
    rows = {"type": "array", "maxItems": MOST_ROWS, "items": _inlined(sport.request)}
    stream = Schema(content_media_type=ARROW)

    @dataclass
    class BulkOperation(PlainOperation):
        def __post_init__(self) -> None:
            super().__post_init__()
            content = {
                JSON: OpenAPIMediaType(schema=cast("Schema", rows)),
                ARROW: OpenAPIMediaType(schema=stream),
            }
            self.request_body = RequestBody(content, required=True)
            answer = (self.responses or {})[str(HTTPStatus.OK.value)]
            if isinstance(answer, OpenAPIResponse) and answer.content is not None:
                answer.content[ARROW] = OpenAPIMediaType(schema=stream)

    return BulkOperation


def _inlined(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON schema of a struct, with its references replaced by what they refer to."""
    schema = msgspec.json.schema(kind)
    parts = schema.pop("$defs")

    def resolved(value: Any) -> Any:
        if isinstance(value, dict):
            reference = value.get("$ref")
            if reference is None:
                return {name: resolved(part) for name, part in value.items()}
            beside = {name: part for name, part in value.items() if name != "$ref"}
            return resolved(parts[reference.rpartition("/")[2]]) | beside
        return [resolved(part) for part in value] if isinstance(value, list) else value

    inlined: dict[str, Any] = resolved(schema)
    return inlined
