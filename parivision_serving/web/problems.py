"""Turns every error into problem+json (RFC 9457) that says what is wrong and what to do about it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Meta

from parivision_core.problems import RegistryError, StoreError
from parivision_core.settings import without_folders
from parivision_core.sport import FieldProblem

MEDIA_TYPE = "application/problem+json"
URN = "urn:parivision:problem:"

BODY = "body"
"""Field of an error that concerns the body as a whole."""
MOST_ERRORS = 20
"""Errors that one answer lists; further ones are usually of the same kind."""
LONGEST_QUOTE = 100
"""Characters of the caller's text that an answer repeats."""

STORE_RETRY_SECONDS = 10

log = logging.getLogger(__name__)


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error as RFC 9457 describes it (application/problem+json)."""

    type: str
    title: str
    status: int
    detail: str
    errors: Annotated[list[FieldProblem], Meta(description="What is wrong with which field; only with 422.")] = []


def encoded(problem: Problem) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Body and headers of an answer that is sent without Litestar."""
    body = msgspec.json.encode(problem)
    return body, [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(body))]


class InvalidRequestError(HTTPException):
    """The request is malformed or impossible; `errors` names the fields."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, errors: Sequence[FieldProblem]) -> None:
        self.errors = list(errors)[:MOST_ERRORS]
        super().__init__(detail="; ".join(f"{e.field}: {e.message}" for e in self.errors))


def shortened(text: str) -> str:
    """A text of the caller, cut to what an answer repeats."""
    return text if len(text) <= LONGEST_QUOTE else text[:LONGEST_QUOTE] + "..."


class SlowBodyError(HTTPException):
    """The body took too long to arrive. The connection ends with the answer: what still comes would be awaited."""

    status_code = HTTPStatus.REQUEST_TIMEOUT

    def __init__(self, detail: str) -> None:
        super().__init__(detail=detail, headers={"Connection": "close"})


class UnknownContentError(HTTPException):
    """The body has a content type that the route doesn't accept."""

    status_code = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class NotReadyError(HTTPException):
    """No champion is served at the moment."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, reason: str, retry_seconds: int) -> None:
        super().__init__(detail=reason, headers={"Retry-After": str(retry_seconds)})


class NotFoundError(HTTPException):
    """What the path names doesn't exist; the reason says where to find what does."""

    status_code = HTTPStatus.NOT_FOUND

    def __init__(self, reason: str) -> None:
        super().__init__(detail=reason)


class TooLargeError(HTTPException):
    """The request exceeds a limit, which the reason names."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def problem_response(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Turn any exception into a problem; an unexpected one is logged in full and answered without internals."""
    status, kind, headers = HTTPStatus.INTERNAL_SERVER_ERROR, "about:blank", None
    detail = "An unexpected error occurred inside the service; its log has the details. Trying again may help."
    errors: list[FieldProblem] = []
    if isinstance(error, ValidationException):
        error = InvalidRequestError(_parameter_problems(error))
    if isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        status, detail, headers = HTTPStatus(error.status_code), error.detail, error.headers
        if isinstance(error, InvalidRequestError):
            kind, errors = f"{URN}invalid-request", error.errors
        elif isinstance(error, NotFoundError):
            kind = f"{URN}not-found"
        elif isinstance(error, TooLargeError):
            kind = f"{URN}too-large"
        elif status in _ADVICE:
            detail = f"{request.method} {request.url.path}: {_ADVICE[status]}"
    elif isinstance(error, NotReadyError):
        status, kind, detail = HTTPStatus.SERVICE_UNAVAILABLE, f"{URN}not-ready", error.detail
        headers = error.headers
    elif isinstance(error, StoreError | RegistryError):
        what = "store" if isinstance(error, StoreError) else "registry"
        status, kind, detail = HTTPStatus.SERVICE_UNAVAILABLE, f"{URN}{what}-unavailable", without_folders(str(error))
        headers = {"Retry-After": str(STORE_RETRY_SECONDS)}
        log.warning("%s %s: %s", request.method, request.url.path, error)
    else:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    problem = Problem(type=kind, title=status.phrase, status=status, detail=detail, errors=errors)
    return Response(problem, status_code=status, media_type=MEDIA_TYPE, headers=headers)


GUARDED = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.MISDIRECTED_REQUEST,
)
"""Statuses that are answered before a route is reached (see admission)."""


def problem_specs(*statuses: HTTPStatus, guarded: bool = True) -> dict[int, ResponseSpec]:
    """These error answers, and those that any request may get, as a handler's `responses` for OpenAPI.

    A route that may answer 408 takes a body, and may so also answer 415.
    """
    common = [*GUARDED] if guarded else []
    if HTTPStatus.REQUEST_TIMEOUT in statuses:
        common.append(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    return {
        status.value: ResponseSpec(Problem, generate_examples=False, description=_WHEN[status], media_type=MEDIA_TYPE)
        for status in (*statuses, *common)
    }


_ADVICE = {
    HTTPStatus.NOT_FOUND: "there is no such route; /schema lists the routes",
    HTTPStatus.METHOD_NOT_ALLOWED: "this route takes other methods, listed in the header Allow",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the body is far larger than any request of this service",
}

_WHEN = {
    HTTPStatus.UNAUTHORIZED: "An API key is needed, or the one in X-API-Key is unknown.",
    HTTPStatus.FORBIDDEN: "The API key lacks the scope that this route needs, or a web page of another origin asks.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests; try again after `Retry-After` seconds.",
    HTTPStatus.NOT_FOUND: "What the path names doesn't exist.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is far larger than any request.",
    HTTPStatus.REQUEST_TIMEOUT: "The body arrived too slowly.",
    HTTPStatus.MISDIRECTED_REQUEST: "The Host header names another service.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The route doesn't accept this content type.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The request is malformed or impossible; `errors` names each field.",
    HTTPStatus.SERVICE_UNAVAILABLE: "No champion is served, or the store is down: see `detail`. Try again after "
    "`Retry-After` seconds.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "An unexpected error inside the service.",
}


def _parameter_problems(error: ValidationException) -> list[FieldProblem]:
    extra = [e for e in error.extra if isinstance(e, dict)] if isinstance(error.extra, list) else []
    found = [FieldProblem(e.get("key", "request"), e.get("message", "is not valid")) for e in extra]
    # Litestar calls the body `data`, and reports it only when it is empty.
    return [FieldProblem(BODY, "the body is empty; send a JSON object") if f.field == "data" else f for f in found]
