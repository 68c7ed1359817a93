"""Checks every request before its route: API key, scope and rate."""

from __future__ import annotations

from math import ceil
from typing import Any

from litestar.exceptions import HTTPException
from litestar.openapi.spec import Components, SecurityScheme
from litestar.status_codes import HTTP_401_UNAUTHORIZED, HTTP_403_FORBIDDEN, HTTP_429_TOO_MANY_REQUESTS
from litestar.types import ASGIApp, Receive, Scope, Send

from parivision_serving.web.context import context_of
from parivision_serving.web.keys import ANONYMOUS, READ, Caller, Keys
from parivision_serving.web.limits import RateLimit

SCOPE = "scope"
"""Key of a route's `opt` for the scope that it needs: one of keys.SCOPES, or OPEN; READ by default."""
OPEN = "open"
"""For routes that need no key: health, metrics, documentation."""
RETRY_SECONDS = 2.0
"""After which a bulk request that was refused for lack of room may be sent again."""
UNKNOWN_KEYS = 10
"""Unknown keys that an address may send at once, and in a minute; more are a loop, or guesses. Known keys from the same
address go on working: several callers may share it behind a proxy."""
HEADER = b"x-api-key"
NEEDED: list[dict[str, list[str]]] = [{"ApiKey": []}]
"""OpenAPI security of a service in which everyone needs a key."""
NO_KEY: list[dict[str, list[str]]] = [{}]
"""OpenAPI security of routes that need no key."""
POSSIBLE = NO_KEY + NEEDED
"""OpenAPI security of a service that only its own machine can reach: a key is optional."""
COMPONENTS = Components(
    security_schemes={
        "ApiKey": SecurityScheme(
            type="apiKey",
            name="X-API-Key",
            security_scheme_in="header",
            description="Made by `python -m parivision_serving.web.keys add NAME`. Needed once other machines reach "
            "the service.",
        )
    }
)


class KeyNeededError(HTTPException):
    """No key was sent, or an unknown one."""

    status_code = HTTP_401_UNAUTHORIZED

    def __init__(self, detail: str) -> None:
        super().__init__(detail=detail, headers={"WWW-Authenticate": 'ApiKey header="X-API-Key"'})


class ScopeNeededError(HTTPException):
    """The key lacks the scope that the route needs."""

    status_code = HTTP_403_FORBIDDEN


class TooManyRequestsError(HTTPException):
    """The caller exceeds its rate, or the service has no room for another bulk request."""

    status_code = HTTP_429_TOO_MANY_REQUESTS

    def __init__(self, detail: str, seconds: float) -> None:
        super().__init__(detail=detail, headers={"Retry-After": str(max(ceil(seconds), 1))})


class Admission:
    """Litestar middleware; a guard would cost each request 15 us more, as Litestar copies the handler for it."""

    def __init__(self, app: ASGIApp, keys: Keys, limit: RateLimit, needs_key: bool) -> None:
        """`needs_key`: whether everyone needs a key. A key that is sent must be valid even if none is needed."""
        self._app, self._keys, self._limit, self._needs_key = app, keys, limit, needs_key
        self._unknown = RateLimit(UNKNOWN_KEYS / 60, UNKNOWN_KEYS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit one request to its route, or raise why not."""
        needed = scope["route_handler"].opt.get(SCOPE, READ)
        if needed != OPEN:
            context = context_of(scope)
            context.caller = caller = self._caller(context.headers.get(HEADER), scope)
            if not caller.may(needed):
                raise ScopeNeededError(f"the API key {caller.name!r} lacks the scope {needed!r} for this")
            if self._limit.rate and (seconds := self._limit.wait(caller.name or _address(scope))):
                raise TooManyRequestsError(f"more than {self._limit.rate:g} requests a second; slow down", seconds)
        await self._app(scope, receive, send)

    def _caller(self, key: bytes | None, scope: Scope) -> Caller:
        if key is None and self._needs_key:
            raise KeyNeededError("an API key is needed; send it as the header X-API-Key")
        if key is None:
            return ANONYMOUS
        caller = self._keys.caller(key.decode("latin-1"))
        if caller is None:
            if seconds := self._unknown.wait(_address(scope)):
                raise TooManyRequestsError(f"more than {UNKNOWN_KEYS} unknown API keys a minute; slow down", seconds)
            raise KeyNeededError("the API key in the header X-API-Key is unknown or was revoked")
        return caller


def _address(scope: Any) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""
