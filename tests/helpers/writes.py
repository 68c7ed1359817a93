"""Calls something before every write, so that a process can be killed just before the n-th of them."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymongo import monitoring

WRITES = ("insert", "update", "delete", "findAndModify")
LOCK_THREADS = "lock "
"""Begins the names of threads that keep a lock on MongoDB (`parivision_core/store/mongo/lease.py`)."""


def watch_files(count: Callable[[], None]) -> None:
    """Call `count` before every flush, rename and statement of the embedded kind."""

    def watched(function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            count()
            return function(*args, **kwargs)

        return call

    os.fsync = watched(os.fsync)
    Path.replace = watched(Path.replace)  # type: ignore[method-assign]
    connect = sqlite3.connect

    class Watched(sqlite3.Connection):
        def execute(self, *args: Any) -> Any:
            count()
            return super().execute(*args)

        def executemany(self, *args: Any) -> Any:
            count()
            return super().executemany(*args)

    sqlite3.connect = lambda *args, **kwargs: connect(*args, **kwargs, factory=Watched)  # type: ignore[assignment]


class WatchMongo(monitoring.CommandListener):
    """Calls `count` before every command that writes is sent, but for the touches of a held lock: time makes those."""

    def __init__(self, count: Callable[[], None]) -> None:
        self.count = count

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in WRITES and not threading.current_thread().name.startswith(LOCK_THREADS):
            self.count()

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...
