"""Simulated time, and the file that keeps it over a restart."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec

from parivision_core.problems import ConfigurationError, StoreError

FILE = "state.json"
LOCK = "state.lock"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """All that VirtualBets keeps."""

    world: str
    """What the other fields refer to."""
    days: float = 0.0
    """Simulated days since the first season was there at once."""
    batch: int = 0
    """Cursor of the last batch that GET /getdata has handed out to its end."""
    offset: int = 0
    """Documents of the next batch that it has handed out."""
    counter: int = 0
    """Documents that it has handed out since the last reset."""
    served: int = 0
    """Documents that it has handed out in all."""


class StateFile:
    """Keeps one state in a folder, for one process at a time; a write happens whole or not at all."""

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

    def load(self, world: str) -> State:
        """The state of a world, fresh where there is none.

        Raises ConfigurationError when the file is of another world, StoreError when it can't be read.
        """
        try:
            state = msgspec.json.decode(self.path.read_bytes(), type=State)
        except FileNotFoundError:
            return State(world=world)
        except (OSError, msgspec.DecodeError) as error:
            raise StoreError(f"{self.path} can't be read ({error}); remove it to begin anew") from error
        if state.world != world:
            raise ConfigurationError(
                f"{self.path} belongs to '{state.world}', but the variables VIRTUAL_BETS_* ask for '{world}'; set them "
                "back, or set another PARIVISION_HOME: shots of two worlds in one lake would contradict each other"
            )
        return state

    def save(self, state: State) -> None:
        """Replace the state; once this returns, it outlives a crash of the machine.

        Raises StoreError when the disk refuses; the old state then stands.
        """
        new = self.path.with_suffix(".new")
        try:
            with new.open("wb") as file:
                file.write(msgspec.json.encode(state))
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
    """Simulated days, running on from where a state left off; they never go back."""

    def __init__(self, days: float, days_a_minute: float, now: Callable[[], float] = time.monotonic) -> None:
        self._days, self._speed, self._now = days, days_a_minute / 60, now
        self._started = now()

    @property
    def days(self) -> float:
        """Simulated days up to this moment."""
        return self._days + (self._now() - self._started) * self._speed

    def hold(self, days: float) -> None:
        """Go on from here; the time since then, in which somebody was waited for, doesn't count."""
        self._days, self._started = days, self._now()
