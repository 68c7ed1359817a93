"""One client, with its pool of connections, for each configuration in each process.

A MongoClient is meant to live as long as its process: it monitors the servers from threads of its own, and a new one
for every asset would cost a handshake each time (with credentials some tens of milliseconds). It doesn't survive a
fork: a forked child drops the clients of its parent, without closing the connections that the parent still uses.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pymongo
from pymongo import MongoClient

CLOSE_SECONDS = 1.0
Document = dict[str, Any]
Key = tuple[str, tuple[tuple[str, Any], ...]]


class SharedClient(MongoClient[Document]):
    """A client that several resources share: `close()` leaves it open."""

    def close(self) -> None:
        """Do nothing; `dagster_mongo.close_clients` closes it for all."""

    def close_for_all(self) -> None:
        """Close it; waits for a server that is gone no longer than `CLOSE_SECONDS`."""
        with pymongo.timeout(CLOSE_SECONDS):  # pymongo ends its sessions first, for which it needs a server
            super().close()


@dataclass(eq=False)
class _Slot:
    """Holds one client. Its lock lets one thread create the client while threads of other configurations go on."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    client: SharedClient | None = None


class _Pools:
    """The clients of this process."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start empty, with a new lock: a thread of the parent may have held the old one during the fork."""
        self.lock = threading.Lock()
        self.slots: dict[Key, _Slot] = {}


_pools = _Pools()


def client_for(url: str, options: Mapping[str, Any]) -> SharedClient:
    """The client of this process for a URL and keyword options, created by the first call. Safe to call in threads.

    Raises what MongoClient raises for a configuration that it can't use, and for a mongodb+srv:// name without address.
    """
    key = (url, tuple(sorted(options.items())))
    with _pools.lock:
        slot = _pools.slots.setdefault(key, _Slot())
    with slot.lock:
        if slot.client is None:
            slot.client = SharedClient(url, **options)
        return slot.client


def close_clients() -> None:
    """Close every shared client of this process; the next use of a resource opens a new one.

    Operations in other threads that haven't ended fail. It runs by itself at the end of the process.
    """
    with _pools.lock:
        slots = list(_pools.slots.values())
        _pools.slots.clear()
    for slot in slots:
        with slot.lock:
            if slot.client is not None:
                slot.client.close_for_all()


atexit.register(close_clients)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.reset)
