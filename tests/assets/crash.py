"""A process that ingests one file and kills itself at the n-th write of its commit: run by test_crash."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.steps.ingesting import ingest
from parivision_core.nba import NBA
from parivision_core.store import files


def main(store_folder: str, inbox: str, die_at: int) -> None:
    """Count every write of the commit and die with SIGKILL just before number `die_at`; print how many there were."""
    writes = 0

    def count() -> None:
        nonlocal writes
        if writes == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        writes += 1

    def watched(function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            count()
            return function(*args, **kwargs)

        return call

    store = files.FileStore(Path(store_folder), NBA.lake, NBA.warehouse)
    (batch,) = InboxFeed(Path(inbox), 0).batches()
    files.os.fsync = watched(os.fsync)  # type: ignore[attr-defined]
    Path.replace = watched(Path.replace)  # type: ignore[method-assign]
    connect = files.sqlite3.connect

    class Watched(files.sqlite3.Connection):
        def execute(self, *args: Any) -> Any:
            count()
            return super().execute(*args)

        def executemany(self, *args: Any) -> Any:
            count()
            return super().executemany(*args)

    files.sqlite3.connect = lambda *args, **kwargs: connect(*args, **kwargs, factory=Watched)  # type: ignore[assignment]
    ingest(batch, NBA, store)
    print(writes)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
