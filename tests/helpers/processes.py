"""What tests of other processes share: free ports, and waiting for something to come true."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

PATIENCE = 60.0
"""Seconds after which a test gives up waiting; nothing is expected to take as long."""


def free_port() -> int:
    """A port of the loopback address on which nothing listens now."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Different ports of the loopback address on which nothing listens now."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def until(condition: Callable[[], Any], what: str = "the condition", patience: float = PATIENCE) -> Any:
    """Wait until the condition returns something true, and return it; `what` names it when it never comes true."""
    give_up = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < give_up, f"gave up after {patience:g} s waiting for: {what}"
        time.sleep(0.01)
    return found
