"""Starts the services, watches them, and ends all of them, even those that ignore signals."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import IO, cast

from deploy import orphans
from deploy.log import TerminalLog
from deploy.service import ManagedProcess, how_it_ended

GRACE_SECONDS = 14.0
"""Seconds from SIGTERM to SIGKILL; everything has ended within twenty. The API may need all of them."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """The parent of all services.

    honcho's own manager isn't used. It counts towards SIGKILL only after a first process has ended, so it waits for
    ever when all services ignore SIGTERM; and it notices that a process has ended only once every process that
    inherited its output has ended too.
    """

    def __init__(
        self, log: TerminalLog, env: Mapping[str, str], cwd: Path, grace_seconds: float = GRACE_SECONDS
    ) -> None:
        self.log = log
        self.services: list[ManagedProcess] = []
        self._env, self._cwd, self._grace = env, cwd, grace_seconds
        self._stop_signals: list[signal.Signals] = []
        # Handlers are set even for ignored signals: a background job of a script inherits an ignored SIGINT and passes
        # it on, and Dagster, which handles SIGTERM like SIGINT, would then ignore both.
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_signal)
        orphans.adopt()
        self._watchdog = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("watchdog.py"))],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._stop_signals.append(signal.Signals(number))

    @property
    def stop_signal(self) -> signal.Signals | None:
        """The first signal to stop that the launcher received, if any."""
        return self._stop_signals[0] if self._stop_signals else None

    def start(self, name: str, command: str) -> ManagedProcess:
        """Start a service and register it with the watchdog."""
        service = ManagedProcess(name, command, self._env, self._cwd, self.log.lines)
        self.services.append(service)
        self._send_to_watchdog(str(service.process.pid))
        return service

    def first_ended(self) -> str | None:
        """A message that names the first service that ended by itself; None while all run.

        Nothing is restarted: a crash should be seen, a service that can't start would restart for ever, and all state
        is on disk, so that `make up` goes on where it was. For restarts, run docker compose or systemd.
        """
        self._reap()
        for service in self.services:
            if (code := service.exit_code) is not None:
                return f"{service.name} ended by itself ({how_it_ended(code)})"
        if (code := self._watchdog.poll()) is not None:
            return f"the watchdog ended by itself ({how_it_ended(code)})"
        return None

    def end(self) -> list[str]:
        """End every service and all its descendants; returns the names of services that had to be killed.

        A second Ctrl-C kills at once what is left.
        """
        received = len(self._stop_signals)
        for service in self.services:
            service.signal(signal.SIGTERM)
        deadline = time.monotonic() + self._grace
        while self._any_left() and time.monotonic() < deadline and len(self._stop_signals) == received:
            self._show(0.1)
        killed = [s.name for s in self.services if s.alive]
        deadline = time.monotonic() + 3
        while self._any_left() and time.monotonic() < deadline:
            for service in self.services:
                service.signal(signal.SIGKILL)
            for pid in self._strays():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._show(0.1)
        self._show(0)
        self._send_to_watchdog("done")
        self._watchdog.wait()
        return killed

    def _any_left(self) -> bool:
        self._reap()
        return any(s.alive for s in self.services) or bool(self._strays())

    def _strays(self) -> set[int]:
        """Descendants other than the watchdog, also those that left their process group."""
        return orphans.descendants(os.getpid()) - {self._watchdog.pid}

    def _reap(self) -> None:
        """Reap processes that have ended: a group counts as alive as long as it holds a zombie."""
        # Own children first: `orphans.reap` stops at the first of them that has ended and isn't reaped.
        for child in (self._watchdog, *(s.process for s in self.services)):
            child.poll()
        orphans.reap({self._watchdog.pid, *(s.process.pid for s in self.services)})

    def _send_to_watchdog(self, line: str) -> None:
        pipe = cast(IO[bytes], self._watchdog.stdin)
        with contextlib.suppress(BrokenPipeError):  # the end of the watchdog is reported by `first_ended`
            pipe.write(f"{line}\n".encode())
            pipe.flush()

    def _show(self, wait: float) -> None:
        # `make up | head` closes the output early; the services must be ended all the same.
        started = time.monotonic()
        with contextlib.suppress(OSError, ValueError):
            self.log.show(wait)
        if time.monotonic() - started < wait:
            time.sleep(wait / 2)
