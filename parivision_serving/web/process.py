"""Runs a service as a process, with one worker or several, that ends gracefully on SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from parivision_core.problems import PariVisionError
from parivision_serving.web.connections import GuardedConnection

GRACE_SECONDS = 5
"""For requests under way. A request to the registry may take another ten, and all must end within twenty."""
MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Variable that names the folder in which several workers add up their metrics; prometheus_client reads it when it is
imported."""

ACCEPT_SECONDS = 0.2
"""For the connections that the kernel has taken when the service ends; an event loop under load accepts hundreds."""
HEALTHY_SECONDS = 30
"""Time for a worker to report that it lives: starting on a busy machine takes longer than uvicorn's 5 seconds."""
SWITCH_SECONDS = 0.0001
"""How long a thread may keep others waiting. Bulk requests run in threads: with Python's default of 5 ms, single
predictions beside 100,000 rows took up to 1.3 s (99th percentile), with 0.5 ms up to 50 ms. Still shorter turns also
cost a busy service less CPU: while the prediction log's thread waits for its turn, each answer that is sent wakes it in
vain, which took 0.3 switches and 20 to 30 us a prediction at 0.5 ms, and takes 0.1 and 10 us at this."""

OPTIONS: dict[str, Any] = {
    "http": GuardedConnection,
    "ws": "none",  # there are none, and they would escape the limits of GuardedConnection
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "proxy_headers": False,  # X-Forwarded-For can be forged; callers behind a proxy differ by their keys
    "timeout_graceful_shutdown": GRACE_SECONDS,
}
"""How uvicorn serves, with one worker and with several."""
_SO_ATTACH_FILTER = 26
_RETURN = 0x06
"""BPF's instruction that ends a filter, with the number of bytes of a packet to keep (linux/filter.h)."""


class GentleServer(uvicorn.Server):
    """uvicorn's server, which answers the connections that the kernel has taken before it stops listening."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connections, then end."""
        for server in self.servers:
            for listening in server.sockets:
                refuse_connections(listening.fileno())
        await asyncio.sleep(ACCEPT_SECONDS)
        await super().shutdown(sockets)


class Workers(Multiprocess):
    """uvicorn's supervisor of several workers, which share a listening socket with it."""

    def terminate_all(self) -> None:
        """Take no new connections, then end the workers.

        This process closes the socket first. Else the kernel would go on taking connections that no worker accepts.
        """
        for listening in self.sockets:
            refuse_connections(listening.fileno())
        time.sleep(ACCEPT_SECONDS)
        for listening in self.sockets:
            listening.close()
        super().terminate_all()


def refuse_connections(descriptor: int) -> None:
    """Make the kernel take no new connections on a listening socket, while those it has taken can be accepted.

    Closing the socket would reset them, with the requests that were sent on them: between the last look of a busy event
    loop and the closing lie milliseconds. A filter of one instruction drops all packets that open a connection. Who
    tries to connect meanwhile is refused a second later, at the second attempt. Systems other than Linux go without.
    """
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(struct.pack("HBBI", _RETURN, 0, 0, 0))
    filter_ = struct.pack("HL", 1, ctypes.addressof(program))
    with socket.socket(fileno=os.dup(descriptor)) as listening, suppress(OSError):
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter_)


def run(app: Any, host: str, port: int) -> None:
    """Serve an ASGI application until a signal."""
    sys.setswitchinterval(SWITCH_SECONDS)
    server = GentleServer(uvicorn.Config(app, host=host, port=port, **OPTIONS))
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def run_workers(factory: str, host: str, port: int, workers: int) -> None:
    """Serve the application that `factory` ("module:function") builds, in each of several processes."""
    with tempfile.TemporaryDirectory(prefix="parivision-metrics-") as folder:
        os.environ[MULTIPROCESS_FOLDER] = folder
        config = uvicorn.Config(
            factory,
            host=host,
            port=port,
            workers=workers,
            factory=True,
            timeout_worker_healthcheck=HEALTHY_SECONDS,
            **OPTIONS,
        )
        Workers(config, [config.bind_socket()]).run()


def exit_code(name: str, serve: Callable[[], None]) -> int:
    """Run a service. Returns the process's exit code: 1, after one line on stderr, when the service can't start."""
    try:
        serve()
    except PariVisionError as error:
        print(f"{name} can't start: {error}", file=sys.stderr)
        return 1
    return 0
