"""Which requests reach an application: those of programs, of its own pages, and whatever only reads."""

from __future__ import annotations

import json
import logging
from typing import Any

import anyio
import pytest

from parivision_core import cross_origin
from parivision_core.cross_origin import CrossOriginProtection
from parivision_core.settings import LOOPBACK

PASSED = [{"type": "passed"}]


async def passed(_scope: Any, _receive: Any, send: Any) -> None:
    await send(PASSED[0])


def answers(
    kind: str = "http",
    method: str = "POST",
    hosts: frozenset[str] = LOOPBACK,
    app: CrossOriginProtection | None = None,
    **headers: str,
) -> list[Any]:
    """What is sent on a request with these headers, in whose names `_` stands for a hyphen."""
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body of a refused request isn't read")

    async def send(message: Any) -> None:
        sent.append(message)

    given = {"host": "127.0.0.1:3000"} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {"type": kind, "path": "/", "headers": [(n.encode(), v.encode("latin-1")) for n, v in given.items()]}
    if kind == "http":
        scope["method"] = method
    protection = app or CrossOriginProtection(passed, hosts, "SOME_HOSTS")
    anyio.run(protection, scope, receive, send)
    return sent


def status(*args: Any, **headers: Any) -> int:
    """The status of a refusal; 0 for what passes."""
    sent = answers(*args, **headers)
    return 0 if sent == PASSED else int(sent[0]["status"])


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "UNHEARD-OF"])
def test_a_change_is_taken_from_programs_and_own_pages_alone(method: str) -> None:
    own, other = "http://127.0.0.1:3000", "http://127.0.0.1:3001"
    assert status(method=method) == 0  # a program
    assert status(method=method, sec_fetch_site="same-origin", origin=own) == 0
    assert status(method=method, sec_fetch_site="same-origin", origin="https://behind.a.proxy") == 0
    assert status(method=method, sec_fetch_site="none") == 0
    assert status(method=method, origin=own) == 0  # a browser without Sec-Fetch-Site, or a page without TLS
    assert status(method=method, sec_fetch_site="cross-site") == 403
    assert status(method=method, sec_fetch_site="same-site", origin=other) == 403
    assert status(method=method, sec_fetch_site="same-site", origin=own) == 403
    for origin in (
        other,
        "http://localhost:3000",
        "http://127.0.0.1",
        "http://127.0.0.1:3000.evil.example",
        "null",
        "",
    ):
        assert status(method=method, origin=origin) == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_whatever_only_reads_passes(method: str) -> None:
    assert status(method=method, sec_fetch_site="cross-site", origin="http://evil.example") == 0


def test_a_websocket_is_opened_by_programs_and_own_pages_alone() -> None:
    """A browser lets any page open one, and its scripts read what comes."""
    assert answers("websocket") == answers("websocket", origin="http://127.0.0.1:3000") == PASSED
    for headers in ({"origin": "http://evil.example"}, {"sec_fetch_site": "cross-site"}, {"host": "evil.example"}):
        assert answers("websocket", **headers) == [{"type": "websocket.close"}]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_host_is_refused_by_name(method: str) -> None:
    for host in ("localhost", "LOCALHOST:3000", "[::1]:3000", "127.0.0.1"):
        assert status(method=method, host=host) == 0
    for host in ("evil.example:3000", "127.0.0.1.evil.example", "[::2]:3000", ""):
        assert status(method=method, host=host) == 421
    assert status(method=method, hosts=frozenset(), host="any.example") == 0
    start, body = answers(method=method, host="evil.example:3000")
    problem = json.loads(body["body"])
    assert problem["status"] == start["status"] == 421
    assert problem["detail"] == "this service has no host name 'evil.example'; add it to SOME_HOSTS if it should"
    assert dict(start["headers"])[b"content-length"] == str(len(body["body"])).encode()


def test_refusals_are_logged_once_a_minute_of_each_kind(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seconds = 1000.0
    monkeypatch.setattr(cross_origin, "monotonic", lambda: seconds)
    app = CrossOriginProtection(passed, LOOPBACK, "SOME_HOSTS")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            answers(app=app, origin="http://evil.example\n" + 10_000 * "x")
            answers(app=app, host="evil.example")
        seconds += 59
        answers(app=app, host="evil.example")
        assert ["page" in line for line in caplog.messages] == [True, False]
        seconds += 1
        answers(app=app, host="evil.example")
    assert len(caplog.messages) == 3
    assert all("\n" not in line and len(line) < 500 for line in caplog.messages)


def test_the_end_of_the_application_passes() -> None:
    assert answers("lifespan", host="") == PASSED
