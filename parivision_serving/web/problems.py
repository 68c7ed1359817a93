"""Every error leaves the service as problem+json (RFC 9457), and says what is wrong and what to do about it."""

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
"""Stands for the field when the body as a whole is wrong."""
MOST_ERRORS = 20
"""Of one request that are told: what is wrong with the first tells what is wrong with a thousand like it."""
LONGEST_QUOTE = 100
"""Characters of what the caller wrote that are repeated to him."""

STORE_RETRY_SECONDS = 10

log = logging.getLogger(__name__)


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error as RFC 9457 describes it (application/problem+json)."""

    type: str
    title: str
    status: int
    detail: str
    errors: Annotated[list[FieldProblem], Meta(description="What is wrong with which field; only with 422.")] = []


class InvalidRequestError(HTTPException):
    """The request can't be answered as it stands; `errors` names the fields."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, errors: Sequence[FieldProblem]) -> None:
        self.errors = list(errors)[:MOST_ERRORS]
        super().__init__(detail="; ".join(f"{e.field}: {e.message}" for e in self.errors))


def shortened(text: str) -> str:
    """A text of the caller, as far as it is repeated to him."""
    return text if len(text) <= LONGEST_QUOTE else text[:LONGEST_QUOTE] + "..."


class SlowBodyError(HTTPException):
    """The body took too long to arrive."""

    status_code = HTTPStatus.REQUEST_TIMEOUT


class UnknownContentError(HTTPException):
    """The body is of a kind that isn't read."""

    status_code = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class NotReadyError(HTTPException):
    """Nothing is served at the moment."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, reason: str, retry_seconds: int) -> None:
        super().__init__(detail=reason, headers={"Retry-After": str(retry_seconds)})


class NoSuchThingError(HTTPException):
    """What the address names isn't there; the reason says what there is."""

    status_code = HTTPStatus.NOT_FOUND

    def __init__(self, reason: str) -> None:
        super().__init__(detail=reason)


class TooLargeError(HTTPException):
    """More than one request may bring; the reason names the limit."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Turn any exception into a problem; an unexpected one is logged in full and told without internals."""
    status, kind, headers = HTTPStatus.INTERNAL_SERVER_ERROR, "about:blank", None
    detail = "Something broke inside the service; its log says what. Trying again may help."
    errors: list[FieldProblem] = []
    if isinstance(error, ValidationException):
        error = InvalidRequestError(_parameter_problems(error))
    if isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        status, detail, headers = HTTPStatus(error.status_code), error.detail, error.headers
        if isinstance(error, InvalidRequestError):
            kind, errors = f"{URN}invalid-request", error.errors
        elif isinstance(error, NoSuchThingError):
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
"""What is answered in front of a route (see admission)."""


def documented(*statuses: HTTPStatus, guarded: bool = True) -> dict[int, ResponseSpec]:
    """These error answers, and those that any request may get, as a handler's `responses` for the OpenAPI page.

    A body may come too slowly, and then it may be of a wrong kind, too.
    """
    common = [*GUARDED] if guarded else []
    if HTTPStatus.REQUEST_TIMEOUT in statuses:
        common.append(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    return {
        status.value: ResponseSpec(Problem, generate_examples=False, description=_WHEN[status], media_type=MEDIA_TYPE)
        for status in (*statuses, *common)
    }


_ADVICE = {
    HTTPStatus.NOT_FOUND: "there is nothing here; /schema lists the routes",
    HTTPStatus.METHOD_NOT_ALLOWED: "this route takes other methods, listed in the header Allow",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the body is far larger than any request of this service",
}

_WHEN = {
    HTTPStatus.UNAUTHORIZED: "An API key is needed, or the one in X-API-Key isn't known.",
    HTTPStatus.FORBIDDEN: "The API key lacks the scope for this.",
    HTTPStatus.TOO_MANY_REQUESTS: "More requests than are answered; try again after `Retry-After` seconds.",
    HTTPStatus.NOT_FOUND: "There is no such thing.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is far larger than any request.",
    HTTPStatus.REQUEST_TIMEOUT: "The body came too slowly.",
    HTTPStatus.MISDIRECTED_REQUEST: "The service was addressed by a name that isn't its own.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is of another kind than the route takes.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The request is malformed or impossible; `errors` names each field.",
    HTTPStatus.SERVICE_UNAVAILABLE: "No champion is served, or the store is down: see `detail`. Try again after "
    "`Retry-After` seconds.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something broke inside the service.",
}


def _parameter_problems(error: ValidationException) -> list[FieldProblem]:
    extra = [e for e in error.extra if isinstance(e, dict)] if isinstance(error.extra, list) else []
    found = [FieldProblem(e.get("key", "request"), e.get("message", "is not valid")) for e in extra]
    # Litestar calls the body `data`, and gets this far only when there is none.
    return [FieldProblem(BODY, "the body is empty; send a JSON object") if f.field == "data" else f for f in found]
