"""What every request gets, whatever its route: an id, a clock, a check of its Host and origin, and security headers."""

from __future__ import annotations

import re
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, Any

from parivision_core.cross_origin import SAFE, RefusalLog, foreign_page, host_of, is_cross_origin, unknown_host
from parivision_serving.web.context import KEY, Context
from parivision_serving.web.logs import request_name
from parivision_serving.web.metrics import UNMATCHED, Metrics
from parivision_serving.web.problems import URN, Problem, encoded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from litestar.types import Message, Receive, Send

    Next = Callable[[Any, Receive, Send], Awaitable[None]]

PROTECTION = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]
"""Sent with every answer: browsers neither guess its type nor cache it."""
PAGE_PROTECTION = [
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    # Litestar writes a script and a style into the OpenAPI page; Swagger UI's style has images as data.
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data:; frame-ancestors 'none'",
    ),
]
"""Sent with HTML pages as well: no other host may frame them, learn their address or bring scripts."""
_NAME = re.compile(rb"[\w.:/+=-]{1,128}", re.ASCII)
"""An X-Request-ID that is accepted: nothing that could forge a log line."""


class Middleware:
    """Wraps the application as its outermost layer, which so also sees errors and unknown routes."""

    def __init__(self, app: Next, metrics: Metrics, hosts: frozenset[str], origins: Iterable[str]) -> None:
        """`hosts` are the names by which the service may be addressed; empty for any.

        `origins` are those whose pages may send POST and DELETE, beside the service's own; `*` stands for any.
        """
        self._app, self._metrics, self._hosts = app, metrics, hosts
        self._origins = frozenset(origin.encode() for origin in origins)
        self._log = RefusalLog()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        given = headers.get(b"x-request-id")
        context = Context(headers, given.decode() if given and _NAME.fullmatch(given) else None)
        scope[KEY] = context
        token = request_name.set(context.name)
        status = 0
        added = [*PROTECTION, (b"x-request-id", context.name.encode())]

        async def send_protected(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                sent = message["headers"]
                message["headers"] = [*sent, *added, *(PAGE_PROTECTION if _is_page(sent) else ())]
            await send(message)

        try:
            if self._hosts and (host := host_of(headers)) not in self._hosts:
                detail = unknown_host(host, "PARIVISION_API_HOSTS")
                await self._refuse(scope, send_protected, HTTPStatus.MISDIRECTED_REQUEST, "unknown-host", detail)
            elif scope["method"] not in SAFE and is_cross_origin(headers, self._origins):
                detail = foreign_page(headers, "PARIVISION_API_ORIGINS")
                await self._refuse(scope, send_protected, HTTPStatus.FORBIDDEN, "cross-origin", detail)
            else:
                await self._app(scope, receive, send_protected)
        finally:
            request_name.reset(token)
            route = scope.get("path_template") or UNMATCHED
            self._metrics.request(route, scope["method"], status, perf_counter() - context.began)

    async def _refuse(self, scope: Any, send: Send, status: HTTPStatus, kind: str, detail: str) -> None:
        self._log.note(status, scope, detail)
        body, headers = encoded(Problem(type=URN + kind, title=status.phrase, status=status, detail=detail))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _is_page(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(value.startswith(b"text/html") for _, value in headers)
