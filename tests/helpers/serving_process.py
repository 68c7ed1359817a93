"""The service as a process of its own on a free port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx

from parivision_serving.settings import ServiceSettings
from tests.helpers.processes import until


def start(settings: ServiceSettings, port: int, **environ: str) -> subprocess.Popen[str]:
    """The process, not yet ready."""
    given = {
        "PARIVISION_HOME": str(settings.home),
        "PARIVISION_REGISTRY_URL": settings.registry_url,
        "PARIVISION_API_PORT": str(port),
        "PARIVISION_CHAMPION_POLL_SECONDS": "0.1",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "parivision_serving"],
        env=os.environ | given | environ,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a group of its own, which is killed with its workers when a test fails
    )


@contextmanager
def running(settings: ServiceSettings, port: int, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """The process once it is ready; SIGTERM ends it, and it must end cleanly, unless the test has ended it before."""
    process = start(settings, port, **environ)
    try:
        until(lambda: is_ready(process, port))
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=20)
            assert process.returncode in (0, -signal.SIGTERM)
            assert "Traceback" not in log, log
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_ready(process: subprocess.Popen[str], port: int) -> bool:
    """Whether predictions are answered; fails when the process has ended."""
    assert process.poll() is None, process.communicate()[1]
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200
    except httpx.TransportError:
        return False
