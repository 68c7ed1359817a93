"""Runs a service as a process, with one worker or several, that ends gracefully on SIGINT or SIGTERM."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import uvicorn

from parivision_core.problems import PariVisionError
from parivision_serving.web.connections import GuardedConnection

GRACE_SECONDS = 5
"""For requests under way. A request to the registry may take another ten, and all must end within twenty."""
MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Variable that names the folder in which several workers add up their metrics; prometheus_client reads it when it is
imported."""

HEALTHY_SECONDS = 30
"""Time for a worker to report that it lives: starting on a busy machine takes longer than uvicorn's 5 seconds."""
SWITCH_SECONDS = 0.0001
"""How long a thread may keep others waiting. Bulk requests run in threads: with Python's default of 5 ms, single
predictions beside 100,000 rows took up to 1.3 s (99th percentile), with 0.5 ms up to 50 ms. Still shorter turns also
cost a busy service less CPU: while the prediction log's thread waits for its turn, each answer that is sent wakes it in
vain, which took 0.3 switches and 20 to 30 us a prediction at 0.5 ms, and takes 0.1 and 10 us at this."""


def run(app: Any, host: str, port: int, **options: Any) -> None:
    """Serve an ASGI application, or a factory by its name, until a signal."""
    sys.setswitchinterval(SWITCH_SECONDS)
    uvicorn.run(
        app,
        host=host,
        port=port,
        http=GuardedConnection,
        ws="none",  # there are none, and they would escape the limits of GuardedConnection
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # X-Forwarded-For can be forged; callers behind a proxy differ by their keys
        timeout_graceful_shutdown=GRACE_SECONDS,
        **options,
    )


def run_workers(factory: str, host: str, port: int, workers: int) -> None:
    """Serve the application that `factory` ("module:function") builds, in each of several processes."""
    with tempfile.TemporaryDirectory(prefix="parivision-metrics-") as folder:
        os.environ[MULTIPROCESS_FOLDER] = folder
        run(factory, host, port, workers=workers, factory=True, timeout_worker_healthcheck=HEALTHY_SECONDS)


def exit_code(name: str, serve: Callable[[], None]) -> int:
    """Run a service. Returns the process's exit code: 1, after one line on stderr, when the service can't start."""
    try:
        serve()
    except PariVisionError as error:
        print(f"{name} can't start: {error}", file=sys.stderr)
        return 1
    return 0
