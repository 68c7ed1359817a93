"""The order in which the services start, and the announcement once all of them answer."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path

from deploy.ports import Address
from deploy.probe import probe
from deploy.progress import StartProgress
from deploy.supervisor import Supervisor

AFTER_CODE = frozenset({"webserver", "daemon"})
"""Services that start once the code server listens; before, they fill the log with stack traces while they wait."""

AFTER_MLFLOW = frozenset({"api"})
"""Services that start once the registry answers; before, the first line of the API would be a warning."""

REMINDER_SECONDS = 60.0
LATEST_SECONDS = 600.0
"""Seconds after which the addresses are printed even though no champion is served yet."""


class Startup:
    """The services that have still to start or to answer; `step` does what is due and never waits long."""

    def __init__(
        self,
        supervisor: Supervisor,
        commands: Mapping[str, str],
        addresses: Mapping[str, Address],
        socket: Path,
        progress: StartProgress | None,
        wait_for_champion: bool,
        notes: Sequence[str],
        began: float,
    ) -> None:
        """The addresses and `notes` are printed once all answer and, with `wait_for_champion`, `progress` is over."""
        self._supervisor, self._commands, self._addresses = supervisor, commands, addresses
        self._socket, self._progress, self._notes = socket, progress, notes
        self._wait_for_champion = wait_for_champion
        self._began = self._reminded = began
        self._to_start = list(commands)
        self._to_answer = list(addresses)
        self._announced = False

    def step(self) -> None:
        """Start the services that may start; print the addresses once all answer."""
        waiting: frozenset[str] = frozenset()
        if "code" in self._commands and not self._socket.exists():
            waiting |= AFTER_CODE
        if "mlflow" in self._to_answer:
            waiting |= AFTER_MLFLOW
        for name in [n for n in self._to_start if n not in waiting]:
            self._supervisor.start(name, self._commands[name])
            self._to_start.remove(name)
        if self._progress is not None:
            self._progress.step()
        if self._announced:
            return
        if self._to_answer:
            self._to_answer = [n for n in self._to_answer if n in self._to_start or not answers(self._addresses[n])]
            if not self._to_answer and self._waits and "webserver" in self._addresses:
                self._supervisor.log.say(f"all services answer; watch the assets at {self._addresses['webserver'].url}")
        if not self._to_answer and not self._waits:
            self._announced = True
            print(self._announcement(), flush=True)
        elif self._to_answer and time.monotonic() - self._reminded > REMINDER_SECONDS:
            self._reminded = time.monotonic()
            missing = ", ".join(f"{self._addresses[n].title} ({self._addresses[n].url})" for n in self._to_answer)
            self._supervisor.log.say(f"still starting, which takes long on a busy machine: {missing}")

    @property
    def _waits(self) -> bool:
        """Whether to wait longer for the first champion."""
        late = time.monotonic() - self._began > LATEST_SECONDS
        return self._wait_for_champion and self._progress is not None and not self._progress.over and not late

    def _announcement(self) -> str:
        seconds = time.monotonic() - self._began
        lines = [f"  {address.title:<8} {address.url}" for address in self._addresses.values()]
        return "\n".join(
            (
                f"\nPariVision is up, after {seconds:.0f} s:",
                *lines,
                *(f"  {note}" for note in self._notes),
                "Ctrl-C ends everything.\n",
            )
        )


def answers(address: Address) -> bool:
    """Whether a service's health check succeeds."""
    return probe(address.url + address.health)[0] == HTTPStatus.OK
