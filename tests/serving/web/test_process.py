"""How a service ends: on a signal no request that was sent is cut, with one worker and with several."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections import Counter

import pytest
import uvicorn

from parivision_serving.web import process
from parivision_serving.web.connections import HANG_UP_SECONDS, LINGER_SECONDS
from tests.helpers import tiny_service
from tests.helpers.processes import free_port
from tests.helpers.tiny_service import HEAD, OK, REQUEST

CALLERS = 32
ROUNDS = 3
"""Before connections were kept open for a while, each round cut some of the requests of 32 callers."""


class Callers:
    """Callers that send one request after another, on connections that they keep while the service allows it."""

    def __init__(self, port: int, request: bytes) -> None:
        self._port, self._request = port, request
        self.seen: Counter[str] = Counter()
        self.over = False
        """Whether a connection that is refused ends a caller."""

    async def call(self) -> None:
        """Call until the service is gone."""
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except ConnectionError:
                if self.over:
                    return
                await asyncio.sleep(0.01)
                continue
            await self._talk(reader, writer)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = b""
        while b"connection: close" not in head and not reader.at_eof():
            try:
                writer.write(self._request)
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readuntil(b" bytes\n")
                assert head.startswith(OK)
                self.seen["answered"] += 1
            except (OSError, EOFError) as error:
                self.seen[repr(error)] += 1
                return


async def outcomes(running: subprocess.Popen[str], port: int, request: bytes) -> Counter[str]:
    """What became of the requests of all callers while SIGTERM ends the service."""
    callers = Callers(port, request)
    tasks = [asyncio.create_task(callers.call()) for _ in range(CALLERS)]
    while callers.seen["answered"] < 50 * CALLERS:
        await asyncio.sleep(0.01)
    callers.over = True
    running.send_signal(signal.SIGTERM)
    await asyncio.gather(*tasks)
    return callers.seen


@pytest.mark.process
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("request_", [REQUEST, HEAD + b"connection: close\r\n\r\n"], ids=["kept", "new"])
def test_a_signal_cuts_no_request(workers: int, request_: bytes) -> None:
    """New connections must survive too: the kernel has taken some that the service hasn't accepted."""
    for _ in range(ROUNDS if workers == 1 else 1):
        port = free_port()
        running = tiny_service.start(port, workers)
        try:
            assert running.stderr
            seen = asyncio.run(outcomes(running, port, request_))
            _, log = running.communicate(timeout=20)
            assert set(seen) == {"answered"}, seen
            assert "Traceback" not in log, log
            assert running.returncode in (0, -signal.SIGTERM)
        finally:
            running.kill()
            running.communicate()


def test_idle_connections_are_closed_within_the_grace() -> None:
    assert process.ACCEPT_SECONDS + LINGER_SECONDS + HANG_UP_SECONDS < process.GRACE_SECONDS / 2


def test_a_service_that_does_not_start_exits_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(server: uvicorn.Server) -> None:
        assert not server.started

    monkeypatch.setattr(process.GentleServer, "run", refused)
    with pytest.raises(SystemExit) as caught:
        process.run(tiny_service.app, "127.0.0.1", 0)
    assert caught.value.code
