"""A service as a process: one worker on the loopback address, ended gracefully by SIGINT or SIGTERM."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

import uvicorn
from litestar import Litestar

from parivision_core.problems import PariVisionError

GRACE_SECONDS = 5
"""For requests under way. A look into the registry may take another ten, and all must end within twenty."""


def serve(name: str, wire: Callable[[], tuple[Litestar, int]]) -> int:
    """Serve the application that `wire` makes, on the port it names, until a signal.

    Returns the process's exit code: 1 when the service can't be wired, which is told in one line.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S", level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every look into the registry
    try:
        app, port = wire()
    except PariVisionError as error:
        print(f"{name} can't start: {error}", file=sys.stderr)
        return 1
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return 0
