"""Turns the errors that only VirtualBets has into problem+json answers."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from litestar import Request, Response
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import ExceptionHandlersMap

from parivision_core.sport import FieldProblem
from parivision_serving.virtual_bets.feed import OutageError, UnknownBatchError, UnknownCursorError
from parivision_serving.web.problems import MEDIA_TYPE, URN, InvalidRequestError, Problem, problem_response


def _unknown_batch(_: Request[Any, Any, Any], error: UnknownBatchError) -> Response[Problem]:
    return _problem(HTTPStatus.NOT_FOUND, "unknown-batch", error)


def _unknown_cursor(request: Request[Any, Any, Any], error: UnknownCursorError) -> Response[Problem]:
    return problem_response(request, InvalidRequestError([FieldProblem("after", str(error))]))


def _outage(_: Request[Any, Any, Any], error: OutageError) -> Response[Problem]:
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "simulated-outage", error)


def _problem(status: HTTPStatus, kind: str, error: Exception) -> Response[Problem]:
    problem = Problem(type=URN + kind, title=status.phrase, status=status, detail=str(error))
    return Response(problem, status_code=status, media_type=MEDIA_TYPE)


HANDLERS: ExceptionHandlersMap = {
    UnknownBatchError: _unknown_batch,
    UnknownCursorError: _unknown_cursor,
    OutageError: _outage,
    Exception: problem_response,
}

NOT_FOUND = {
    HTTPStatus.NOT_FOUND.value: ResponseSpec(
        Problem, generate_examples=False, description="No such batch has been announced (yet).", media_type=MEDIA_TYPE
    )
}
