"""Simulated time, and the file in which it survives a restart."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec

from parivision_core.checksums import DamagedError, sealed_json, unsealed_json
from parivision_core.problems import ConfigurationError, StoreError

FILE = "state.json"
LOCK = "state.lock"

log = logging.getLogger(__name__)


class State(msgspec.Struct, frozen=True, kw_only=True):
    """All that VirtualBets must not lose."""

    source: str = msgspec.field(name="world")
    """Name of the source that the other fields refer to; files of earlier versions have it under this key."""
    days: float = 0.0
    """Simulated days since the start, at which the first season is complete."""
    batch: int = 0
    """Cursor of the last batch that GET /getdata has handed out in full."""
    offset: int = 0
    """Documents of the next batch that it has handed out already."""
    counter: int = 0
    """Documents that it has handed out since the last reset."""
    served: int = 0
    """Documents that it has handed out in all."""


class StateFile:
    """Keeps one state in a folder, for one process at a time; writes are atomic."""

    def __init__(self, folder: Path) -> None:
        """Raise StoreError when the folder can't be used or another process uses it."""
        self.path = folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock: IO[str] = (folder / LOCK).open("a")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(f"another VirtualBets uses {folder}; end it, or set another PARIVISION_HOME") from None
        except OSError as error:
            raise StoreError(f"VirtualBets can't keep its state in {folder}: {error}") from error

    def load(self, source: str) -> State:
        """The state for a source, a new one where there is none.

        Raises ConfigurationError when the file belongs to another source, StoreError when it can't be read.
        """
        try:
            state = msgspec.json.decode(unsealed_json(self.path.read_bytes()), type=State)
        except FileNotFoundError:
            log.info("no state lies at %s; '%s' begins with its first season", self.path, source)
            return State(source=source)
        except (OSError, DamagedError, msgspec.DecodeError) as error:
            raise StoreError(
                f"{self.path} can't be read ({error}); restore it from a backup, or remove it to begin again"
            ) from error
        if state.source != source:
            raise ConfigurationError(
                f"{self.path} belongs to '{state.source}', but the variables VIRTUAL_BETS_* ask for '{source}'; set "
                "them back, or set another PARIVISION_HOME: shots of two sources contradict each other in one lake"
            )
        return state

    def save(self, state: State) -> None:
        """Replace the state; once this returns, it survives a crash of the machine.

        Raises StoreError when it can't be written; the old state then stays.
        """
        new = self.path.with_suffix(".new")
        try:
            with new.open("wb") as file:
                file.write(sealed_json(msgspec.json.encode(state)))
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise StoreError(f"{self.path} can't be written: {error}") from error

    def close(self) -> None:
        """Let another process use the folder."""
        self._lock.close()


class Clock:
    """Simulated days, counted on from a saved state; they never go back."""

    def __init__(self, days: float, days_a_minute: float, now: Callable[[], float] = time.monotonic) -> None:
        self._days, self._speed, self._now = days, days_a_minute / 60, now
        self._started = now()

    @property
    def days(self) -> float:
        """Simulated days up to this moment."""
        return self._days + (self._now() - self._started) * self._speed

    def hold(self, days: float) -> None:
        """Go on from this day: the time that passed meanwhile, while a reader was waited for, doesn't count."""
        self._days, self._started = days, self._now()
