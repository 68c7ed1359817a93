"""One client, with its pool of connections, for each configuration in each process.

A MongoClient is made to live as long as its process: it watches the servers from threads of its own, and opening one
for every asset would cost a handshake (and with credentials some tens of milliseconds) each time. It isn't made to
live through a fork: a child forgets the clients of its parent, without closing what the parent goes on using.
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

FAREWELL_SECONDS = 1.0
Document = dict[str, Any]
Key = tuple[str, tuple[tuple[str, Any], ...]]


class SharedClient(MongoClient[Document]):
    """A client that others use too: `close()` gives it back, and it stays open."""

    def close(self) -> None:
        """Do nothing; `dagster_mongo.close_clients` closes it for everybody."""

    def close_for_everybody(self) -> None:
        """Close it; a server that is gone isn't waited for any longer than `FAREWELL_SECONDS`."""
        with pymongo.timeout(FAREWELL_SECONDS):  # pymongo ends its sessions first, which needs a server
            super().close()


@dataclass(eq=False)
class _Slot:
    """Room for one client. Its lock lets one thread make it while those of other configurations go on."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    client: SharedClient | None = None


class _Pools:
    """The clients of this process."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Start empty, with a lock that nobody holds: a thread of the parent may have held it during the fork."""
        self.lock = threading.Lock()
        self.slots: dict[Key, _Slot] = {}


_pools = _Pools()


def client_for(url: str, options: Mapping[str, Any]) -> SharedClient:
    """The client of this process for a URL and keyword options, made by the first who asks. Safe to call in threads.

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

    Operations that are under way in other threads fail. Called at the end of the process by itself.
    """
    with _pools.lock:
        slots = list(_pools.slots.values())
        _pools.slots.clear()
    for slot in slots:
        with slot.lock:
            if slot.client is not None:
                slot.client.close_for_everybody()


atexit.register(close_clients)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.begin)
