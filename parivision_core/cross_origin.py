"""Keeps web pages of other origins from changing anything through a visitor's browser, for any ASGI application.

A service that listens on loopback alone is reached by every page that a browser on this machine shows. The rules are
those of Go's `net/http.CrossOriginProtection`: browsers say in Sec-Fetch-Site, older ones in Origin, which page a
request comes from, and no script can alter either header. Programs send neither. A page whose own host name resolves to
this machine (DNS rebinding) is of the same origin for a browser, so the Host header is checked too.
"""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from http import HTTPStatus
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Receive = Callable[[], Awaitable[Any]]
    Send = Callable[[Any], Awaitable[None]]
    Application = Callable[[Any, Receive, Send], Awaitable[None]]

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""HTTP methods that change nothing (RFC 9110, 9.2.1); a browser sends them for an image or a link of any page."""
OWN_SITES = frozenset({b"same-origin", b"none"})
"""Sec-Fetch-Site of the service's own pages, and of what the user typed. Other ports of this machine are `same-site`:
other programs."""
LOG_SECONDS = 60.0
"""A page may repeat its requests for hours; one line a minute shows it and doesn't fill the disk."""
LONGEST_QUOTE = 100
"""Characters of a host name or an origin that answers and log lines repeat."""
PROBLEM = "application/problem+json"

log = logging.getLogger(__name__)


def host_of(headers: Mapping[bytes, bytes]) -> str:
    """The host name in a Host header, in lower case, without port and brackets."""
    return _name_in(headers.get(b"host", b""))


@lru_cache(maxsize=64)  # callers send the same few; reading one takes 1 us, of the 150 of a prediction
def _name_in(host: bytes) -> str:
    name = host.decode("latin-1").lower()
    return name.partition("]")[0].lstrip("[") if name.startswith("[") else name.partition(":")[0]


def is_cross_origin(headers: Mapping[bytes, bytes], origins: frozenset[bytes] = frozenset()) -> bool:
    """Whether a page of another origin than the service's own asks; `origins` are accepted too, `*` stands for any."""
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    if site is None and origin is None:  # no browser
        return False
    if origins and (origin in origins or b"*" in origins):
        return False
    if site is not None:
        return site not in OWN_SITES
    return origin is not None and origin.partition(b"://")[2] != headers.get(b"host")


def unknown_host(host: str, setting: str) -> str:
    """What is wrong with a request to a name that the service doesn't have, and the setting that would add it."""
    return f"this service has no host name {host[:LONGEST_QUOTE]!r}; add it to {setting} if it should"


def foreign_page(headers: Mapping[bytes, bytes], setting: str = "") -> str:
    """What is wrong with a request of another origin's page; `setting` lists the accepted origins, if there is one."""
    origin = headers.get(b"origin", b"another origin").decode("latin-1")[:LONGEST_QUOTE]
    more = f", or add its origin to {setting} if it may" if setting else ""
    return (
        f"a web page of {origin!r} may change nothing here; use the service's own page or a program{more}. Behind a "
        "proxy, let it pass on the Host header"
    )


class RefusalLog:
    """Logs refusals, one line of each kind in LOG_SECONDS."""

    def __init__(self) -> None:
        self._next: dict[int, float] = {}

    def note(self, status: int, scope: Any, detail: str) -> None:
        """Log one, unless its kind was logged a moment ago; kinds are told apart by the answer's status."""
        now = monotonic()
        if now >= self._next.get(status, 0.0):
            self._next[status] = now + LOG_SECONDS
            what = scope.get("method", scope["type"])
            log.warning("refused %s %s: %s", what, ascii(scope["path"][:LONGEST_QUOTE]), detail)


class CrossOriginProtection:
    """ASGI middleware: 421 for an unknown host name, 403 for a change or a websocket by another origin's page."""

    def __init__(self, app: Application, hosts: frozenset[str], setting: str, safe: frozenset[str] = SAFE) -> None:
        """`hosts` are the names by which the service may be addressed, empty for any; `setting` is where they are set.

        Names are compared without their ports. `safe` are the methods that change nothing.
        """
        self._app, self._hosts, self._setting, self._safe = app, hosts, setting, safe
        self._log = RefusalLog()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Handle one request, websocket or lifespan event."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if self._hosts and (host := host_of(headers)) not in self._hosts:
            status, detail = HTTPStatus.MISDIRECTED_REQUEST, unknown_host(host, self._setting)
        elif scope.get("method") not in self._safe and is_cross_origin(headers):  # a websocket has no method
            status, detail = HTTPStatus.FORBIDDEN, foreign_page(headers)
        else:
            await self._app(scope, receive, send)
            return
        self._log.note(status, scope, detail)
        await refuse(scope, send, status, detail)


async def refuse(scope: Any, send: Send, status: HTTPStatus, detail: str, **headers: str) -> None:
    """Answer with a problem (RFC 9457). A websocket is closed before it opens, which servers answer with 403."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
        return
    body = json.dumps({"title": status.phrase, "status": status.value, "detail": detail}).encode()
    given = {"content-type": PROBLEM, "content-length": str(len(body)), "cache-control": "no-store", **headers}
    named = [(name.encode(), value.encode()) for name, value in given.items()]
    await send({"type": "http.response.start", "status": status.value, "headers": named})
    await send({"type": "http.response.body", "body": body})
