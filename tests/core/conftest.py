"""A MongoDB that misbehaves when it is told to, for stores and prediction logs alike."""

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
    """A server that passes everything on to the real one until it is told to misbehave."""
    parts = urlsplit(mongo_server)
    with ScriptedServer(upstream=(parts.hostname or "127.0.0.1", parts.port or 27017)) as server:
        yield server


@pytest.fixture
def shaky_database(
    proxy: ScriptedServer, mongo_database: Database[dict[str, Any]], mongo_server: str
) -> Iterator[Database[dict[str, Any]]]:
    """The test's database through the proxy, by a client that soon loses its patience."""
    login = urlsplit(mongo_server)
    url = proxy.url.replace("//", f"//{login.username}:{login.password}@") if login.username else proxy.url
    with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=1500, socketTimeoutMS=1000) as client:
        yield client[mongo_database.name]
