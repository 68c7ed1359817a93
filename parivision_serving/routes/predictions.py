"""/api/v1/predictions: lists, shows and deletes logged predictions, and takes their outcomes."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

import anyio
import msgspec
from litestar import HttpMethod, Request, Response, delete, get, post, route
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Example
from litestar.params import JSONBody, Parameter
from msgspec import Meta

from parivision_core.prediction_log.base import Outcome, PredictionLog
from parivision_core.prediction_log.ids import made_at, parts_of
from parivision_core.prediction_log.predictions import (
    LoggedPrediction,
    OutcomeFilter,
    PredictionPage,
    PredictionQuery,
    find,
    page,
)
from parivision_core.records import now_ms
from parivision_core.sport import FieldProblem, Sport
from parivision_serving.prediction_log.recorder import GROUP_SECONDS, Recorder
from parivision_serving.web.admission import OPEN, SCOPE
from parivision_serving.web.body import strict_json
from parivision_serving.web.keys import ADMIN, PREDICT
from parivision_serving.web.operations import PlainOperation, answer_spec
from parivision_serving.web.problems import InvalidRequestError, NotFoundError, problem_specs
from parivision_serving.web.queries import filter_values, optional, query_of, refuse_misread, with_queries

MOST, USUAL = 1_000, 100
NAME = r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(:(0|[1-9][0-9]{0,5}))?$"
LONGEST_NAME = 43
LAST_MS = 2**48 - 1
"""The last time that an id can hold."""
READERS = 2
"""Reads of the prediction log at once: a page may cost tens of milliseconds of CPU, which predictions need too."""
WRITERS = 2
"""Writes at once. They may wait for other processes, and reads mustn't wait behind them."""
YOUNG_MS = 60_000
"""A younger prediction that isn't found may be one that another process is about to write."""

Answer = TypeVar("Answer")
Moment = int | dt.datetime
PredictionId = Annotated[
    str,
    Parameter(
        pattern=NAME,
        max_length=LONGEST_NAME,
        description="The `id` of a prediction's answer; for a row of a bulk request the request's id, `:` and the "
        "row's number from 0.",
        examples=[Example(value="018e4c5a-7b1e-7000-8000-3f2a9c1d5e77")],
    ),
]

_NUMBER = re.compile(r"[-+.\deE]+")
_SINCE = "2024-03-17T00:00:00Z"
_SHOWN: dict[str, Any] = {
    "id": "018e4c5a-7b1e-7000-8000-3f2a9c1d5e77",
    "made_at": 1_710_633_614_110,
    "request": {"x": -120, "y": 85, "period": 4, "seconds_remaining": 35, "player_id": 201939},
    "probability": 0.4127,
    "champion_version": 7,
    "champion_sha256": "5d0c8a0e6f1b4c6e9a7d3b2f1e0c9d8b7a6f5e4d3c2b1a0f9e8d7c6b5a4f3e2d",
    "feature_state_stamp": "9f86d081884c7d65",
    "feature_schema": "2c26b46b68ffc68f",
    "latency_ms": 0.41,
    "caller": "page",
    "outcome": {"made": True, "source": "lake", "reported_at": 1_710_640_012_345},
}


class GivenOutcome(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The outcome of a shot, reported by a caller."""

    made: Annotated[bool, Meta(description="Whether the shot went in.")]


def predictions_routes(sport: Sport, prediction_log: PredictionLog, recorder: Recorder) -> list[HTTPRouteHandler]:
    """Build the handlers. Predictions of this process can be read at once, those of other processes a moment later."""
    request_fields = {field.encode_name for field in msgspec.structs.fields(sport.request)}
    reads, writes = anyio.CapacityLimiter(READERS), anyio.CapacityLimiter(WRITERS)

    async def run(work: Callable[[], Answer], limiter: anyio.CapacityLimiter = reads) -> Answer:
        await recorder.flush()  # if the prediction log can't be written now, it may still be read
        return await anyio.to_thread.run_sync(work, limiter=limiter)

    async def found_or_404(
        name: str, work: Callable[[], Answer | None], limiter: anyio.CapacityLimiter = reads
    ) -> Answer:
        """What `work` finds; another process that answered just now gets the time to write its prediction."""
        moment = _made_at("prediction_id", name)
        found = await run(work, limiter)
        if found is None and abs(now_ms() - moment) < YOUNG_MS:
            await anyio.sleep(3 * GROUP_SECONDS)
            found = await run(work, limiter)
        if found is None:
            raise NotFoundError(
                f"the prediction log holds no prediction {name}: it was never made, was deleted, or is older than "
                "predictions are kept. A row of a bulk request has the request's id, a colon and its number"
            )
        return found

    queries = {
        "since": optional(Moment, "From this time on: an ISO date and time, or milliseconds since 1970.", _SINCE),
        "until": optional(Moment, "Before this time.", _SHOWN["made_at"]),
        "champion_version": optional(int, "Only predictions by this version.", _SHOWN["champion_version"]),
        "caller": optional(str, "Only predictions for this caller: the name of its API key.", "page", max_length=100),
        "outcome": optional(OutcomeFilter, "Only predictions with this outcome.", "known"),
        "cursor": optional(str, "`next` of the page before.", _SHOWN["id"], pattern=NAME, max_length=LONGEST_NAME),
    }
    queries |= {name: query_of(chosen) for name, chosen in sport.filters.items() if name in request_fields}

    async def predictions(
        request: Request[Any, Any, Any],
        limit: Annotated[int, Parameter(ge=1, le=MOST, description="Most predictions to return.")] = USUAL,
        since: Moment | None = None,
        until: Moment | None = None,
        champion_version: int | None = None,
        caller: str | None = None,
        outcome: OutcomeFilter | None = None,
        cursor: str | None = None,
        **given: Any,
    ) -> PredictionPage:
        read_queries = {"limit": limit, "since": since, "until": until, "champion_version": champion_version}
        refuse_misread(request, read_queries | {"caller": caller, "outcome": outcome, "cursor": cursor} | given)
        if cursor is not None:
            _made_at("cursor", cursor)
        wanted = PredictionQuery(
            since=_milliseconds(request, "since", since),
            until=_milliseconds(request, "until", until),
            champion_version=champion_version,
            caller=caller,
            outcome=outcome,
            fields=filter_values(sport.filters, given),
        )
        return await run(lambda: page(prediction_log, wanted, limit, cursor))

    listing = get(
        "/api/v1/predictions",
        operation_id="predictions",
        operation_class=PlainOperation,
        summary="Predictions, newest first",
        description="Predictions that pass all given filters; the rows of a bulk request keep their order. A page "
        "ends after `limit` predictions, or once enough of the log was searched: it may hold fewer, or none, "
        "although `next` leads to more.",
        tags=["prediction_log"],
        responses=answer_spec(PredictionPage, "A page of predictions.", {"predictions": [_SHOWN], "next": _SHOWN["id"]})
        | problem_specs(
            HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INTERNAL_SERVER_ERROR
        ),
    )(with_queries(predictions, queries))

    @get(
        "/api/v1/predictions/{prediction_id:str}",
        operation_id="prediction",
        operation_class=PlainOperation,
        summary="One prediction",
        description="The request, the probability, the champion and feature state that answered, and the outcome.",
        tags=["prediction_log"],
        responses=answer_spec(LoggedPrediction, "The prediction.", _SHOWN) | problem_specs(*_FAILURES),
    )
    async def prediction(prediction_id: PredictionId) -> LoggedPrediction:
        return await found_or_404(prediction_id, lambda: find(prediction_log, prediction_id))

    @delete(
        "/api/v1/predictions/{prediction_id:str}",
        operation_id="delete_prediction",
        operation_class=PlainOperation,
        summary="Delete a prediction",
        description="Deletes the prediction and its outcome. The id of a bulk request stands for all of its rows. A "
        "single row of it is hidden; its request is removed together with the bulk request.",
        tags=["prediction_log"],
        opt={SCOPE: ADMIN},
        responses=problem_specs(*_FAILURES),
    )
    async def delete_prediction(prediction_id: PredictionId) -> None:
        await found_or_404(prediction_id, lambda: prediction_log.delete(*parts_of(prediction_id)) or None, writes)

    @post(
        "/api/v1/predictions/{prediction_id:str}/outcome",
        status_code=HTTPStatus.OK,
        operation_id="report_outcome",
        operation_class=PlainOperation,
        summary="Report the outcome of a predicted shot",
        description="An outcome can be reported again until the lake holds the shot: the lake's outcome is final. The "
        "answer is the prediction with its current outcome.",
        tags=["prediction_log"],
        opt={SCOPE: PREDICT},
        dto=strict_json(GivenOutcome),
        return_dto=None,
        responses=answer_spec(LoggedPrediction, "The prediction with its outcome.", _SHOWN)
        | problem_specs(HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, *_FAILURES),
    )
    async def report_outcome(prediction_id: PredictionId, data: JSONBody[GivenOutcome]) -> LoggedPrediction:
        def report() -> LoggedPrediction | None:
            if find(prediction_log, prediction_id) is None:
                return None
            prediction_log.put_outcomes({prediction_id: Outcome(made=data.made, source="caller", reported_at=now_ms())})
            return find(prediction_log, prediction_id)

        return await found_or_404(prediction_id, report, writes)

    @route(
        "/api/v1/predictions/{prediction_id:str}",
        http_method=HttpMethod.OPTIONS,
        status_code=HTTPStatus.NO_CONTENT,
        include_in_schema=False,
        opt={SCOPE: OPEN},
    )
    async def options(prediction_id: str) -> Response[None]:
        # Litestar's own answer lists only the methods of the handler that was registered first.
        return Response(None, headers={"Allow": "DELETE, GET, OPTIONS"})

    return [listing, options, prediction, delete_prediction, report_outcome]


_FAILURES = (
    HTTPStatus.NOT_FOUND,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.INTERNAL_SERVER_ERROR,
)


def _made_at(field: str, name: str) -> int:
    """When a prediction was made, by its id. Raises InvalidRequestError naming the field for anything but an id."""
    try:
        return made_at(parts_of(name)[0])
    except ValueError:
        raise InvalidRequestError([FieldProblem(field, f"{name!r} is no id of a prediction")]) from None


def _milliseconds(request: Request[Any, Any, Any], name: str, moment: Moment | None) -> int | None:
    """Milliseconds since 1970; 0 for an earlier time.

    Raises InvalidRequestError beyond what an id can hold, and for a fraction, which would be read as seconds.
    """
    if isinstance(moment, dt.datetime):
        if _NUMBER.fullmatch(request.query_params[name]):
            raise InvalidRequestError([FieldProblem(name, "milliseconds since 1970 are a whole number")])
        moment = int((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp() * 1000)
    if moment is not None and moment > LAST_MS:
        raise InvalidRequestError([FieldProblem(name, f"milliseconds since 1970 end at {LAST_MS}")])
    return None if moment is None else max(moment, 0)
