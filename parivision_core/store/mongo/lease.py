"""Locks between machines: a document that its holder keeps touching, and that falls to others when he stops.

Nobody's clock is compared with another's: who waits watches the holder's counter, and takes the lock when the counter
stood still for LEASE_SECONDS of his own clock. A holder that was suspended for longer may therefore believe in a lock
that he has lost; what he writes then is refused where it matters, at the commit points.
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
from parivision_core.store.mongo.connection import Document, explained

LEASE_SECONDS = 30.0
TOUCHES_A_LEASE = 6
PAUSE_SECONDS = 0.05

log = logging.getLogger(__name__)


@contextmanager
def lease(locks: Collection[Document], name: str, wait_seconds: float) -> Iterator[Document]:
    """Hold the named lock; gives what its document shows as long as it is held.

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
        with suppress(PyMongoError):  # a lock that can't be given back now falls to others by itself
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
            asked = time.monotonic()
            held = locks.find_one({"_id": mine["_id"]})
        now = time.monotonic()
        if held is None:
            continue
        # A server that was slow to answer us was so to the holder, too: his silence then counts from now on.
        slow = now - asked > LEASE_SECONDS / TOUCHES_A_LEASE
        if slow or (held["owner"], held["touches"]) != seen:
            seen, seen_at = (held["owner"], held["touches"]), now
        elif now - seen_at > LEASE_SECONDS:
            log.warning("%s was held by %s, which has stopped; taking it over", mine["_id"], held["holder"])
            locks.delete_one({"_id": mine["_id"], "owner": held["owner"], "touches": held["touches"]})
            continue
        if now > give_up:
            raise StoreError(f"{mine['_id']} is held by {held['holder']} since over {wait_seconds:g} s")
        time.sleep(PAUSE_SECONDS)


def _touch(locks: Collection[Document], mine: Document, done: threading.Event) -> None:
    while not done.wait(LEASE_SECONDS / TOUCHES_A_LEASE):
        try:
            # One connection that hangs must not cost the lock.
            with pymongo.timeout(LEASE_SECONDS / TOUCHES_A_LEASE):
                kept = locks.update_one(mine, {"$inc": {"touches": 1}}).matched_count
            if not kept:
                log.warning("the lock %s was lost: this process stood still for too long", mine["_id"])
                return
        except PyMongoError as error:
            log.warning("the lock %s can't be kept up, trying again: %s", mine["_id"], error)
