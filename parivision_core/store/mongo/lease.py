"""Locks between machines: a document whose counter the holder keeps raising, and that others take over when it stops.

Clocks of different machines are never compared: a waiting process watches the counter, and takes the lock when the
counter hasn't moved for LEASE_SECONDS of its own clock. A holder that was suspended for longer may therefore still
believe that it holds a lost lock; its writes are then refused where it matters, at the commit points.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pymongo
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, PyMongoError

from parivision_core.problems import StoreError
from parivision_core.records import now_ms
from parivision_core.store.mongo.connection import Document, explain, explained

LEASE_SECONDS = 30.0
TOUCHES_PER_LEASE = 6
PAUSE_SECONDS = 0.05

log = logging.getLogger(__name__)


@contextmanager
def lease(locks: Collection[Document], name: str, wait_seconds: float) -> Iterator[Document]:
    """Hold the named lock; yields the fields that its document has as long as it is held.

    Raises StoreError naming the holder when it isn't free within `wait_seconds`.
    """
    mine = {"_id": name, "owner": uuid.uuid4().hex}
    with explained():
        _acquire(locks, mine, wait_seconds)
    done = threading.Event()
    toucher = threading.Thread(target=_touch, args=(locks, mine, done), daemon=True, name=f"lock {name}")
    toucher.start()
    try:
        yield mine
    finally:
        done.set()
        toucher.join()
        with suppress(PyMongoError):  # a lock that can't be released now is taken over by others later
            locks.delete_one(mine)


def _acquire(locks: Collection[Document], mine: Document, wait_seconds: float) -> None:
    holder = f"process {os.getpid()} on {socket.gethostname()}"
    give_up = time.monotonic() + wait_seconds
    seen: tuple[str, int] | None = None
    seen_at = 0.0
    while True:
        try:
            locks.insert_one({**mine, "holder": holder, "since": now_ms(), "touches": 0})
            return
        except DuplicateKeyError:
            requested_at = time.monotonic()
            held = locks.find_one({"_id": mine["_id"]})
        now = time.monotonic()
        if held is None:
            continue
        # A server that answered slowly was slow for the holder, too: its silence counts from now on.
        slow = now - requested_at > LEASE_SECONDS / TOUCHES_PER_LEASE
        if slow or (held["owner"], held["touches"]) != seen:
            seen, seen_at = (held["owner"], held["touches"]), now
        elif now - seen_at > LEASE_SECONDS:
            log.warning("the lock %s was held by %s, which has stopped; taking it over", mine["_id"], held["holder"])
            locks.delete_one({"_id": mine["_id"], "owner": held["owner"], "touches": held["touches"]})
            continue
        if now > give_up:
            raise StoreError(
                f"the lock {mine['_id']} has been held by {held['holder']} for over {wait_seconds:g} s; wait for it, "
                "or end that process"
            )
        time.sleep(PAUSE_SECONDS)


def _touch(locks: Collection[Document], mine: Document, done: threading.Event) -> None:
    while not done.wait(LEASE_SECONDS / TOUCHES_PER_LEASE):
        try:
            # A single hanging connection must not cost the lock.
            with pymongo.timeout(LEASE_SECONDS / TOUCHES_PER_LEASE):
                kept = locks.update_one(mine, {"$inc": {"touches": 1}}).matched_count
            if not kept:
                log.warning("the lock %s was lost, because this process was suspended for too long", mine["_id"])
                return
        except PyMongoError as error:
            log.warning("the lock %s can't be renewed, trying again: %s", mine["_id"], explain(error))
