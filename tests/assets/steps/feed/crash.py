"""Processes that ingest one file and kill themselves at the n-th write of its commit: started by test_crash."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from pymongo import monitoring

from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.steps.feed.ingesting import ingest
from parivision_core.nba.shots import NBA
from parivision_core.store.mongo import documents
from tests.helpers.stores import opened
from tests.helpers.writes import WatchMongo, watch_files


def ingest_and_die(place: dict[str, str], inbox: str, die_at: int) -> int:
    """Count every write of the commit and die with SIGKILL just before number `die_at`; else how many there were."""
    writes = 0

    def count() -> None:
        nonlocal writes
        if writes == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        writes += 1

    monitoring.register(WatchMongo(count))
    documents.PIECE = 50  # so that the shots of the test take several writes
    store = opened(place)
    store.manifests()  # what a new store needs is made before the commit
    (batch,) = InboxFeed(Path(inbox), 0).batches()
    writes = 0
    watch_files(count)
    ingest(batch, NBA, store)
    return writes


def main() -> None:
    """Answer each line `[place, inbox, die_at]` with `[exit code, writes]` of a child that did so.

    Children are forked: importing pandas and pyarrow for each would take most of the test's time.
    """
    import pandas  # noqa: F401 - imported before the forks
    import pyarrow.parquet  # noqa: F401

    for line in sys.stdin:
        readable, writable = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writable, str(ingest_and_die(*json.loads(line))).encode())
            os._exit(0)
        os.close(writable)
        with os.fdopen(readable) as pipe:
            writes = int(pipe.read() or -1)
        print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), writes]), flush=True)


if __name__ == "__main__":
    main()
