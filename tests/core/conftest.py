"""A MongoDB with scripted faults, for tests of stores and prediction logs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.helpers.scripted_server import ScriptedServer


@pytest.fixture
def proxy(mongo_server: str) -> Iterator[ScriptedServer]:
    """A server that forwards everything to the real one, except for scripted faults."""
    parts = urlsplit(mongo_server)
    with ScriptedServer(upstream=(parts.hostname or "127.0.0.1", parts.port or 27017)) as server:
        yield server


@pytest.fixture
def shaky_database(
    proxy: ScriptedServer, mongo_database: Database[dict[str, Any]], mongo_server: str
) -> Iterator[Database[dict[str, Any]]]:
    """The test's database behind the proxy, by a client with short timeouts."""
    login = urlsplit(mongo_server)
    url = proxy.url.replace("//", f"//{login.username}:{login.password}@") if login.username else proxy.url
    with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=1500, socketTimeoutMS=1000) as client:
        yield client[mongo_database.name]
