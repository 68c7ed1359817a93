"""A service as a process: one worker or several, ended gracefully by SIGINT or SIGTERM."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import uvicorn

from parivision_core.problems import PariVisionError

GRACE_SECONDS = 5
"""For requests under way. A look into the registry may take another ten, and all must end within twenty."""
MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Variable that names the folder in which several workers add up their metrics; prometheus_client reads it when it is
imported."""

HEALTHY_SECONDS = 30
"""For a worker to tell that it lives: one that begins on a busy machine is silent for longer than uvicorn's 5."""
SWITCH_SECONDS = 0.0001
"""How long a thread may keep others waiting. A batch is worked on in one: with Python's usual 5 ms, single predictions
beside 100,000 rows took up to 1.3 s (99 %), with a tenth of that up to 50 ms. Still shorter turns cost a busy service
less, too: as long as the prediction log's thread waits for its turn, each answer that is sent wakes it in vain, which took 0.3
switches and 20 to 30 us of CPU a prediction at 0.5 ms, and takes 0.1 and 10 at this."""


def run(app: Any, host: str, port: int, **options: Any) -> None:
    """Serve an ASGI application, or a factory by its name, until a signal."""
    sys.setswitchinterval(SWITCH_SECONDS)
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # anyone may write X-Forwarded-For; callers behind a proxy are told apart by their keys
        timeout_graceful_shutdown=GRACE_SECONDS,
        **options,
    )


def run_workers(factory: str, host: str, port: int, workers: int) -> None:
    """Serve the application that `factory` ("module:function") makes in each of several processes."""
    with tempfile.TemporaryDirectory(prefix="parivision-metrics-") as folder:
        os.environ[MULTIPROCESS_FOLDER] = folder
        run(factory, host, port, workers=workers, factory=True, timeout_worker_healthcheck=HEALTHY_SECONDS)


def told(name: str, work: Callable[[], None]) -> int:
    """Do the work of a service; the process's exit code: 1 when it can't begin, which is told in one line."""
    try:
        work()
    except PariVisionError as error:
        print(f"{name} can't start: {error}", file=sys.stderr)
        return 1
    return 0
