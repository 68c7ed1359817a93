"""One connection: limits of headers and of waiting, as many as there is room for, and a gentle end."""

from __future__ import annotations

import json
import logging
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from parivision_serving.web import connections
from parivision_serving.web.connections import HEADER_BYTES, HEADER_FIELDS
from tests.helpers import tiny_service
from tests.helpers.processes import PATIENCE, free_port, until
from tests.helpers.tiny_service import HEAD, OK, REQUEST, Served

CLOSE = b"connection: close\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n"
EARLY_ANSWERS = 5
"""In a row, nearly each of which was lost."""
SPARE = 300
"""Bytes of a request that is filled up to a limit, beside the filling."""


@pytest.fixture
def service() -> Iterator[Served]:
    with tiny_service.served() as running:
        yield running


def connect(service: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), PATIENCE)


def rest(connection: socket.socket) -> bytes:
    """What still comes until the service closes; fails if it resets the connection."""
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def answers(service: Served, *pieces: bytes) -> bytes:
    """All that comes back on one connection."""
    with connect(service) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return rest(connection)


def answer(connection: socket.socket) -> bytes:
    """One answer of the app."""
    found = b""
    while not found.endswith(b" bytes\n"):
        piece = connection.recv(65536)
        assert piece, found
        found += piece
    return found


def chunks(count: int) -> bytes:
    return b"1\r\nx\r\n" * count


@pytest.mark.parametrize(
    "request_",
    [
        HEAD + b"x: " + b"a" * HEADER_BYTES + b"\r\n\r\n",
        HEAD + b"x: " + b"a" * 3 * HEADER_BYTES,
        b"GET /" + b"a" * HEADER_BYTES + b" HTTP/1.1\r\n\r\n",
        HEAD + b"a: b\r\n" * HEADER_BYTES,
        HEAD + b"x: y\r\n" * HEADER_FIELDS + b"\r\n",
        CHUNKED + b"\r\n" + chunks(1) + b"0\r\nx: " + b"a" * 2 * HEADER_BYTES,
        CHUNKED + b"\r\n" + chunks(1) + b"0\r\n" + b"x: y\r\n" * HEADER_BYTES + b"\r\n",
    ],
    ids=["one header", "unfinished", "address", "many headers", "fields", "trailer", "many trailers"],
)
def test_headers_beyond_a_limit_are_refused(service: Served, request_: bytes) -> None:
    head, _, body = answers(service, request_).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    assert json.loads(body)["detail"] == "the request line and the headers together exceed 64 kB, or 100 fields"
    assert OK in answers(service, HEAD + CLOSE + b"\r\n")


@pytest.mark.parametrize(
    ("request_", "size"),
    [
        (HEAD + b"x: " + b"a" * (HEADER_BYTES - SPARE) + b"\r\n\r\n", 0),
        (HEAD + b"x: y\r\n" * (HEADER_FIELDS - 1) + b"\r\n", 0),
        (HEAD + b"content-length: 300000\r\n\r\n" + b"x" * 300_000, 300_000),
        (CHUNKED + b"\r\n" + chunks(HEADER_BYTES) + b"0\r\n\r\n", HEADER_BYTES),
        (CHUNKED + b"\r\n30d40\r\n" + b"x" * 200_000 + b"\r\n0\r\n\r\n", 200_000),
        (CHUNKED + b"\r\n" + chunks(3) + b"0\r\nx: " + b"a" * (HEADER_BYTES - SPARE) + b"\r\n\r\n", 3),
        (HEAD + b"upgrade: websocket\r\nconnection: upgrade\r\n\r\n", 0),
    ],
    ids=["header", "fields", "body", "small chunks", "large chunk", "trailer", "upgrade"],
)
def test_what_is_within_the_limits_is_answered(service: Served, request_: bytes, size: int) -> None:
    """Twice on one connection, so that nothing of the first request counts for the second."""
    with connect(service) as connection:
        for _ in range(2):
            connection.sendall(request_)
            found = answer(connection)
            assert found.startswith(OK) and found.endswith(b"\n%d bytes\n" % size)


def test_requests_that_are_sent_ahead_are_counted_one_by_one(service: Served) -> None:
    header = b"x: " + b"a" * 30_000 + b"\r\n"
    found = answers(service, (HEAD + header + b"\r\n") * 20 + HEAD + CLOSE + b"\r\n")
    assert found.count(OK) == 21
    assert b"431" not in found


def test_a_refusal_does_not_overtake_the_answer_before_it(service: Served) -> None:
    slow = REQUEST.replace(b"POST /", b"POST /wait")
    for bad in (HEAD + b"x: " + b"a" * 2 * HEADER_BYTES, b"\x01 no request\r\n\r\n"):
        found = answers(service, slow + bad)
        assert found.startswith(OK) and found.endswith(b"2 bytes\n")
        assert b"connection: close" in found


def test_what_is_no_http_is_refused_as_a_problem(service: Served) -> None:
    head, _, body = answers(service, b"\x16\x03\x01\x02\x00").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert "without TLS" in json.loads(body)["detail"]


def test_an_answer_before_the_end_of_the_body_is_not_taken_away_by_a_reset(service: Served) -> None:
    """A refusal: the service closes, as the caller wishes, while it hasn't read what has arrived of the body."""
    early = HEAD.replace(b"POST /", b"POST /early") + CLOSE + b"content-length: 300000\r\n\r\n"
    for _ in range(EARLY_ANSWERS):
        found = answers(service, early + b"x" * 200_000)
        assert found.startswith(OK) and found.endswith(b"0 bytes\n")


@pytest.mark.process
def test_a_huge_header_takes_no_memory_and_is_cut_off() -> None:
    def memory() -> int:
        return int(Path(f"/proc/{process.pid}/status").read_text().split("VmRSS:")[1].split()[0])

    def connected() -> socket.socket | None:
        try:
            return socket.create_connection(("127.0.0.1", port), PATIENCE)
        except ConnectionRefusedError:
            return None

    port = free_port()
    process = tiny_service.start(port)
    try:
        with until(connected) as connection:
            connection.sendall(REQUEST)
            answer(connection)
            before, sent = memory(), 0
            connection.sendall(HEAD + b"x: ")
            with pytest.raises(OSError, match=r"reset|[Bb]roken"):
                while sent < 200_000_000:  # the kernel takes some of it before a busy machine's service looks
                    connection.sendall(b"a" * 50_000)
                    sent += 50_000
            assert memory() - before < 3_000  # kB
    finally:
        process.kill()
        process.communicate()


def test_headers_that_arrive_slowly_are_refused(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.2)
    with connect(service) as silent, connect(service) as slow, connect(service) as slow_later:
        slow_later.sendall(REQUEST)
        answer(slow_later)
        for connection in (slow, slow_later):
            connection.sendall(HEAD)
        for connection in (slow, slow_later):
            head, _, body = rest(connection).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
            assert json.loads(body)["detail"] == "the headers took more than 0.2 seconds to arrive"
        assert rest(silent) == b""


def test_each_byte_does_not_start_the_time_anew(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.3)
    with connect(service) as connection:
        connection.settimeout(0.02)
        for sent in range(1000):
            connection.sendall(b"\r\n" if sent < 3 else HEAD + b"x: a" if sent == 3 else b"a")
            try:
                assert connection.recv(100).startswith(b"HTTP/1.1 408")
                break
            except TimeoutError:
                pass
        else:
            pytest.fail("a header may arrive byte by byte for ever")


def test_a_connection_that_asks_nothing_makes_room(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 3)
    with connect(service) as caller:
        caller.sendall(REQUEST)
        answer(caller)
        for _ in range(2):
            with connect(service), connect(service), connect(service) as further:
                further.sendall(REQUEST)
                assert answer(further).startswith(OK)
                assert len(service.connections) == 3
            caller.sendall(REQUEST)
            assert answer(caller).startswith(OK)


def test_when_all_connections_are_at_work_a_further_one_is_closed(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 1)
    with connect(service) as caller:
        caller.sendall(REQUEST.replace(b"POST /", b"POST /wait"))
        until(lambda: any(c.cycle for c in service.connections))
        assert answers(service) == b""
        assert answer(caller).startswith(OK)


def test_a_caller_that_leaves_is_no_error(service: Served, caplog: pytest.LogCaptureFixture) -> None:
    """It has sent a further request ahead: uvicorn tells only the latest that the caller has left."""
    with connect(service) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(REQUEST.replace(b"POST /", b"POST /wait") + REQUEST)
        until(lambda: service.server.server_state.tasks)
    until(lambda: not service.server.server_state.tasks)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_request_that_has_arrived_is_answered_when_its_connection_times_out(service: Served) -> None:
    """The event loop hasn't read it yet."""
    sent, held = threading.Event(), threading.Event()

    def time_out() -> None:
        (connection,) = service.connections
        held.set()
        sent.wait(PATIENCE)
        connection.timeout_keep_alive_handler()

    with connect(service) as connection:
        connection.sendall(REQUEST)
        answer(connection)
        service.loop.call_soon_threadsafe(time_out)
        assert held.wait(PATIENCE)
        connection.sendall(REQUEST)
        sent.set()
        assert answer(connection).startswith(OK)


def test_at_the_end_each_connection_is_answered_once_more(service: Served) -> None:
    with connect(service) as idle, connect(service) as fresh, connect(service) as busy:
        idle.sendall(REQUEST)
        answer(idle)
        busy.sendall(REQUEST.replace(b"POST /", b"POST /wait"))
        until(lambda: any(c.cycle and not c.cycle.response_complete for c in service.connections))
        service.server.should_exit = True
        until(lambda: not service.server.servers[0].is_serving())
        for connection in (idle, fresh):
            connection.sendall(REQUEST)
        for connection in (idle, fresh, busy):
            found = rest(connection)
            assert found.startswith(OK) and found.endswith(b"2 bytes\n")
            assert b"connection: close" in found


def test_at_the_end_idle_connections_are_closed(
    service: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connections, "LINGER_SECONDS", 0.1)
    with connect(service) as idle, connect(service) as fresh:
        with connect(service) as leaving:
            leaving.sendall(REQUEST)
            answer(leaving)
            idle.sendall(REQUEST)
            answer(idle)
            service.server.should_exit = True
            until(lambda: not service.server.servers[0].is_serving())
        for connection in (idle, fresh):
            assert rest(connection) == b""
        until(lambda: not service.connections)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_at_the_end_headers_that_have_begun_are_awaited(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LINGER_SECONDS", 0.05)
    with connect(service) as connection, connect(service) as idle:
        connection.sendall(HEAD)
        until(lambda: any(c.scope for c in service.connections))
        service.server.should_exit = True
        assert rest(idle) == b""
        connection.sendall(b"\r\n")
        assert rest(connection).startswith(OK)


@pytest.mark.parametrize("size", [7, 1000, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 1])
@pytest.mark.parametrize(("filling", "answered"), [(HEADER_BYTES - SPARE, 2), (HEADER_BYTES + SPARE, 1)])
def test_the_limit_is_the_same_however_the_bytes_arrive(
    service: Served, size: int, filling: int, answered: int
) -> None:
    """Handed to the connection piece by piece, for TCP cuts as it likes."""
    first = CHUNKED + b"\r\n" + chunks(3) + b"0\r\nx: y\r\n\r\n"
    second = HEAD + CLOSE + b"x: " + b"a" * filling + b"\r\n\r\n"
    pieces = [sent[at : at + size] for sent in (first, second) for at in range(0, len(sent), size)]

    def hand_over() -> None:
        (connection,) = service.connections
        for piece in pieces:
            connection.data_received(piece)

    with connect(service) as connection:
        until(lambda: service.connections)
        service.loop.call_soon_threadsafe(hand_over)
        found = rest(connection)
        assert found.count(OK) == answered
        assert found.count(b"connection: close") == 1
