"""A service of a few lines behind the server of the real ones: in a thread, or as a process with some workers."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
import uvloop

from parivision_serving.web import process
from tests.helpers.paths import ROOT
from tests.helpers.processes import free_port

HEAD = b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\n"
"""A request begins with it."""
REQUEST = HEAD + b"content-length: 2\r\n\r\n{}"
OK = b"HTTP/1.1 200"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the length of the body; /wait takes its time, /early doesn't wait for the body."""
    if scope["type"] == "lifespan":
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})
        return
    size, more = 0, scope["path"] != "/early"
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    if scope["path"] == "/wait":
        await asyncio.sleep(0.3)
    body = b"%d bytes\n" % size
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


def factory() -> Any:
    """The app, for several workers."""
    return app


class Served:
    """The app in a thread of this process."""

    def __init__(self) -> None:
        self.port = free_port()
        self.server = process.GentleServer(uvicorn.Config(app, port=self.port, lifespan="off", **process.OPTIONS))
        self.loop = uvloop.new_event_loop()
        self.ready = threading.Event()

    def run(self) -> None:
        async def serve() -> None:
            serving = asyncio.create_task(self.server.serve())
            while not self.server.started:
                await asyncio.sleep(0.001)
            self.ready.set()
            await serving

        self.loop.run_until_complete(serve())
        self.loop.close()

    @property
    def connections(self) -> list[Any]:
        """Those that are open."""
        return list(self.server.server_state.connections)


@contextmanager
def served() -> Iterator[Served]:
    """The app, until the block ends."""
    service = Served()
    thread = threading.Thread(target=service.run)
    thread.start()
    assert service.ready.wait(10)
    try:
        yield service
    finally:
        service.server.should_exit = service.server.force_exit = True
        thread.join(10)
        assert not thread.is_alive()


def start(port: int, workers: int = 1) -> subprocess.Popen[str]:
    """The app as a process of its own, not yet ready."""
    command = [sys.executable, "-m", "tests.helpers.tiny_service", str(port), str(workers)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=env, text=True, stderr=subprocess.PIPE)


if __name__ == "__main__":
    _port, _workers = int(sys.argv[1]), int(sys.argv[2])
    if _workers == 1:
        process.run(app, "127.0.0.1", _port)
    else:
        process.run_workers(f"tests.helpers.tiny_service:{factory.__name__}", "127.0.0.1", _port, _workers)
