"""One HTTP connection: how much it may send before its request is known, how long it may wait, and how it ends."""

from __future__ import annotations

import resource
import select
from asyncio import TimerHandle, Transport
from collections.abc import Callable
from http import HTTPStatus
from itertools import islice
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from parivision_serving.web.problems import Problem, encoded

HEADER_BYTES = 64 * 1024
"""Request line and headers together. Callers send some 300 bytes, a browser with cookies a few thousand; httptools
hands a longer header over in pieces that uvicorn joins, which took 12.7 s for 80 MB, and the memory."""
HEADER_FIELDS = 100
"""Browsers and proxies together send some 30."""
HEADER_SECONDS = 10.0
"""From the opening of a connection, or the first byte of a request, to the end of its headers, which usually arrive
in one piece."""
LINGER_SECONDS = 1.0
"""How long idle connections stay open once the service ends. Pools of callers send on the connections they have: each
that sends within this time is answered, and told to close. Longer than the pause of a busy caller between two requests,
and shorter than people wait for a restart."""
HANG_UP_SECONDS = 0.5
"""How long what still arrives is read and dropped after the service has said its last word: closing at once would
reset the connection, and could so take away the answer that says why."""
DROPPED_BYTES = 256 * 1024
"""How much is dropped in that time; who sends more is cut off."""
MOST_CONNECTIONS = min(1000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
"""Open at once, in each worker: with full headers and bodies 128 MB. File descriptors stay for the store and the
prediction log, which could write nothing without. A further connection takes the place of an idle one."""
COMPARED = 32
"""Idle connections among which one is chosen to make room; comparing 1,000 took 0.6 ms for each new connection."""

_TOO_LARGE = f"the request line and the headers together exceed {HEADER_BYTES // 1024} kB, or {HEADER_FIELDS} fields"


class GuardedConnection(HttpToolsProtocol):
    """uvicorn's protocol with limits for what is sent before the application is reached, and a gentle end.

    uvicorn counts neither the bytes of headers nor their time, and closes idle connections while requests are on their
    way. Limits are checked where bytes arrive, before they are parsed.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unparsed = 0
        """Bytes since the parser last completed something: headers, a piece of a body, a chunk."""
        self._advanced = False
        """Whether the piece of data that is being parsed completes something."""
        self._ending = False
        """Whether the service ends."""
        self._dropped: int | None = None
        """Bytes that were dropped since the service has hung up; None before."""
        self._deadline: TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Take a connection, whose first request has some time to arrive."""
        super().connection_made(transport)
        self._answers = cast("Transport", AnswerTransport(transport, self._close_after_answer))
        self._wait()
        if len(self.connections) > MOST_CONNECTIONS:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of a connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, in pieces none of which goes beyond the limit of headers."""
        if self._dropped is not None:
            self._dropped += len(data)
            if self._dropped > DROPPED_BYTES:
                self.transport.close()
            return
        start = 0
        while start < len(data) and self._dropped is None:
            end = start + HEADER_BYTES - self._unparsed
            piece = data[start:end]  # nearly always the whole
            start = end
            self._advanced = False
            HttpToolsProtocol.data_received(self, piece)  # super() takes longer
            self._unparsed = 0 if self._advanced else self._unparsed + len(piece)
            if self._unparsed >= HEADER_BYTES and self._dropped is None:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, _TOO_LARGE)
        if self._deadline is None and self.timeout_keep_alive_task is None and not self._busy():
            self._wait()

    def on_headers_complete(self) -> None:
        """Start a request."""
        self._advanced = True
        if self._deadline is not None:
            self._stop_waiting()
        if len(self.headers) > HEADER_FIELDS:
            self.app = _too_many_fields
        HttpToolsProtocol.on_headers_complete(self)
        self.cycle.transport = self._answers  # its task has not begun
        if self._ending:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Hand over a piece of a body."""
        self._advanced = True
        HttpToolsProtocol.on_body(self, body)

    def on_chunk_header(self) -> None:
        """Note that a chunk begins; the last one is followed by trailers, which are limited like headers."""
        self._advanced = True

    def on_chunk_complete(self) -> None:
        """Note that a chunk, or the trailers, have ended."""
        self._advanced = True

    def send_400_response(self, msg: str) -> None:
        """Refuse what isn't HTTP."""
        self._refuse(HTTPStatus.BAD_REQUEST, f"{msg} Send HTTP/1.1, without TLS.")

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which no further request came."""
        self._close_unless_asked()

    def shutdown(self) -> None:
        """End with the next answer, or without one after LINGER_SECONDS."""
        self._ending = True
        if self._busy() and not self.cycle.response_started:
            self.cycle.keep_alive = False
        self.loop.call_later(LINGER_SECONDS, self._end)

    def _end(self) -> None:
        if self._busy():
            self.cycle.keep_alive = False
        elif self._dropped is None and not self._half_read():
            self._close_unless_asked()

    def _close_after_answer(self) -> None:
        """Close after the last answer; a body that was refused may still be on its way, and is dropped for a while."""
        if self.cycle.more_body:
            self._hang_up()
        else:
            self.transport.close()

    def _busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _half_read(self) -> bool:
        """Whether the headers of a request have begun and not ended."""
        return self.scope is not None and "method" not in self.scope

    def _wait(self) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self._half_read():
            detail = f"the headers took more than {HEADER_SECONDS:g} seconds to arrive"
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, detail)
        else:
            self._hang_up()

    def _close_unless_asked(self) -> None:
        """Close an idle connection, but not over a request that has arrived since the event loop last looked."""
        if self.transport.is_closing():
            return
        look = select.poll()
        look.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        if look.poll(0):
            self._wait()
        else:
            self._hang_up()

    def _make_room(self) -> None:
        """Of some idle connections close the one that would be closed next, first those without any request; else this.

        Who opens many connections and asks nothing so closes its own.
        """
        others = cast("set[GuardedConnection]", self.connections)
        idle = ((c is self, c.cycle is not None, timer.when(), id(c), c) for c in others if (timer := c._timer()))
        min(islice(idle, COMPARED))[-1].transport.close()

    def _timer(self) -> TimerHandle | None:
        """What will close this connection; None while a request is answered."""
        return None if self._busy() else self._deadline or self.timeout_keep_alive_task

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer without the application, and hang up."""
        if self._busy() and not self.cycle.more_body:
            # What is refused follows a request that is still answered, and whose answer this one would be taken for.
            self.cycle.keep_alive = False
            self._dropped = 0
            return
        if self._busy():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not (self._busy() and self.cycle.response_started):
            body, headers = _problem(status, detail)
            fields = [b"%b: %b\r\n" % field for field in (*self.server_state.default_headers, *headers)]
            self.transport.write(b"".join([STATUS_LINE[status], *fields, b"\r\n", body]))
        self._hang_up()

    def _hang_up(self) -> None:
        """Say that nothing more will be sent, and close when the caller does, or a little later."""
        self._unset_keepalive_if_required()
        self._stop_waiting()
        self._dropped = 0
        if not self.transport.is_closing():
            self.transport.write_eof()
            self._deadline = self.loop.call_later(HANG_UP_SECONDS, self.transport.close)


class AnswerTransport:
    """The transport for answers: what is written after the caller has left goes nowhere.

    uvicorn stops only the latest of several requests that were sent ahead. uvloop raised an error at the answers to the
    others, which was logged in forty lines as if it were a fault.
    """

    def __init__(self, transport: Transport, close: Callable[[], None]) -> None:
        self.close = close
        self.is_closing = transport.is_closing
        self._write = transport.write

    def write(self, data: bytes) -> None:
        """Send a part of an answer."""
        if not self.is_closing():
            self._write(data)


def _problem(status: HTTPStatus, detail: str) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Body and headers of an answer after which the connection is closed."""
    body, headers = encoded(Problem(type="about:blank", title=status.phrase, status=status, detail=detail))
    return body, [*headers, (b"connection", b"close")]


async def _too_many_fields(scope: Any, receive: Any, send: Any) -> None:
    """Answer a request in place of the application."""
    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    body, headers = _problem(status, _TOO_LARGE)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
