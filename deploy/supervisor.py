"""Starts the services, watches them and ends them: all of them, whatever they do about it."""

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

from deploy import orphans
from deploy.log import Log
from deploy.service import ManagedProcess, how_it_ended

GRACE_SECONDS = 14.0
"""From SIGTERM to SIGKILL; with what follows everything is gone within twenty. The API may need all of it."""

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """The parent of all services.

    honcho's own manager isn't used: it starts counting towards SIGKILL only after a first process has ended, so that
    services which all ignore SIGTERM keep it waiting for ever, and it notices the end of a process only when everything
    that inherited its output has ended too.
    """

    def __init__(self, log: Log, env: Mapping[str, str], cwd: Path, grace_seconds: float = GRACE_SECONDS) -> None:
        self.log = log
        self.services: list[ManagedProcess] = []
        self._env, self._cwd, self._grace = env, cwd, grace_seconds
        self._requests: list[signal.Signals] = []
        # Handlers, also where a signal was ignored: a background job of a script inherits an ignored SIGINT, hands it
        # on, and Dagster, which treats SIGTERM as it treats SIGINT, would then ignore both.
        for number in ENDING:
            signal.signal(number, self._on_signal)
        orphans.adopt()
        self._watchdog = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("watchdog.py"))],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._requests.append(signal.Signals(number))

    @property
    def asked_to_end(self) -> signal.Signals | None:
        """The signal that asked for the end, if one did."""
        return self._requests[0] if self._requests else None

    def start(self, name: str, command: str) -> ManagedProcess:
        """Start a service and tell the watchdog."""
        service = ManagedProcess(name, command, self._env, self._cwd, self.log.lines)
        self.services.append(service)
        self._tell_watchdog(str(service.process.pid))
        return service

    def first_ended(self) -> str | None:
        """The service that ended though nobody asked it to, in words; None while all run.

        Nothing is restarted: a crash is worth being seen, a service that can't start would restart for ever, and all
        state is on disk, so that `make up` goes on where it was. Who wants restarts runs docker compose or systemd.
        """
        self._reap()
        for service in self.services:
            if (code := service.exit_code) is not None:
                return f"{service.name} ended by itself ({how_it_ended(code)})"
        if (code := self._watchdog.poll()) is not None:
            return f"the watchdog ended by itself ({how_it_ended(code)})"
        return None

    def end(self) -> list[str]:
        """End every service and all that they started; the names of those that had to be killed.

        A second Ctrl-C cuts the waiting short.
        """
        asked = len(self._requests)
        for service in self.services:
            service.signal(signal.SIGTERM)
        deadline = time.monotonic() + self._grace
        while self._left() and time.monotonic() < deadline and len(self._requests) == asked:
            self._show(0.1)
        stubborn = [s.name for s in self.services if s.alive]
        deadline = time.monotonic() + 3
        while self._left() and time.monotonic() < deadline:
            for service in self.services:
                service.signal(signal.SIGKILL)
            for pid in self._strays():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._show(0.1)
        self._show(0)
        self._tell_watchdog("done")
        self._watchdog.wait()
        return stubborn

    def _left(self) -> bool:
        self._reap()
        return any(s.alive for s in self.services) or bool(self._strays())

    def _strays(self) -> set[int]:
        """Descendants that left their group."""
        return orphans.descendants(os.getpid()) - {self._watchdog.pid}

    def _reap(self) -> None:
        """Clear away what has ended: a group counts as alive while it holds as much as a zombie."""
        # Own children first: `orphans.reap` stops at the first of them that has ended and isn't cleared away.
        for child in (self._watchdog, *(s.process for s in self.services)):
            child.poll()
        orphans.reap({self._watchdog.pid, *(s.process.pid for s in self.services)})

    def _tell_watchdog(self, word: str) -> None:
        assert self._watchdog.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # without it the house stands, only less safely
            self._watchdog.stdin.write(f"{word}\n".encode())
            self._watchdog.stdin.flush()

    def _show(self, wait: float) -> None:
        # `make up | head` closes the output early; the services must end all the same.
        started = time.monotonic()
        with contextlib.suppress(OSError, ValueError):
            self.log.show(wait)
        if time.monotonic() - started < wait:
            time.sleep(wait / 2)
