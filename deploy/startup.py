"""The order in which services start, and the moment at which all their addresses answer."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path

from deploy.asking import ask
from deploy.ports import Address
from deploy.progress import StartProgress
from deploy.supervisor import Supervisor

AFTER_CODE = frozenset({"webserver", "daemon"})
"""They start when the code server listens: told of an absent one they fill the log with traces, then find it anyway."""

AFTER_MLFLOW = frozenset({"api"})
"""It starts when the registry answers: before that, its first words would be a warning."""

REMINDER_SECONDS = 60.0
LATEST_SECONDS = 600.0
"""After which the addresses are told even though no champion is served yet."""


class Startup:
    """What has still to start and to answer; `step` does what is due and never waits long."""

    def __init__(
        self,
        supervisor: Supervisor,
        commands: Mapping[str, str],
        sites: Mapping[str, Address],
        socket: Path,
        progress: StartProgress | None,
        awaited: bool,
        notes: Sequence[str],
        began: float,
    ) -> None:
        """The addresses are told when all answer and, where it is `awaited`, `progress` is over; `notes` with them."""
        self._supervisor, self._commands, self._sites = supervisor, commands, sites
        self._socket, self._progress, self._awaited, self._notes = socket, progress, awaited, notes
        self._began = self._reminded = began
        self._to_start = list(commands)
        self._to_answer = list(sites)
        self._announced = False

    def step(self) -> None:
        """Start what may start; announce the addresses once each answers."""
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
            self._to_answer = [n for n in self._to_answer if n in self._to_start or not answers(self._sites[n])]
            if not self._to_answer and self._waits and "webserver" in self._sites:
                self._supervisor.log.say(f"all services answer; watch the assets at {self._sites['webserver'].url}")
        if not self._to_answer and not self._waits:
            self._announced = True
            print(self._announcement(), flush=True)
        elif self._to_answer and time.monotonic() - self._reminded > REMINDER_SECONDS:
            self._reminded = time.monotonic()
            missing = ", ".join(f"{self._sites[n].title} ({self._sites[n].url})" for n in self._to_answer)
            self._supervisor.log.say(f"still starting, which takes long on a busy machine: {missing}")

    @property
    def _waits(self) -> bool:
        """Whether the first champion is still worth waiting for."""
        late = time.monotonic() - self._began > LATEST_SECONDS
        return self._awaited and self._progress is not None and not self._progress.over and not late

    def _announcement(self) -> str:
        seconds = time.monotonic() - self._began
        lines = [f"  {site.title:<8} {site.url}" for site in self._sites.values()]
        return "\n".join(
            (
                f"\nPariVision is up, after {seconds:.0f} s:",
                *lines,
                *(f"  {note}" for note in self._notes),
                "Ctrl-C ends everything.\n",
            )
        )


def answers(site: Address) -> bool:
    """Whether a service says that it is well."""
    return ask(site.url + site.health)[0] == HTTPStatus.OK
