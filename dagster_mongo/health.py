"""The health check: whether the database answers, and whether this process may read it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

import pymongo
from pymongo import MongoClient
from pymongo.errors import AutoReconnect, NetworkTimeout, OperationFailure, ServerSelectionTimeoutError

from dagster_mongo.url import formatted

Deployment = Literal["standalone", "replica set", "sharded cluster"]


@dataclass(frozen=True)
class MongoHealth:
    """What a healthy database reports. It contains no credentials, so it can be metadata of an asset check."""

    address: str
    """host:port of the server that answered."""
    server_version: str | None
    """Such as "7.0.14"; None where the server doesn't report it."""
    deployment: Deployment
    """What the server is part of."""
    replica_set: str | None
    """The name of its replica set, if it is in one."""
    database: str | None
    """The database that was read from; None when none is configured and only the connection was tested."""
    round_trip_ms: float
    """Milliseconds that a ping took on an open connection."""


def measure(client: MongoClient[dict[str, Any]], database: str | None, collection: str) -> MongoHealth:
    """Run the check, within the sum of the client's time-outs for server selection and connecting.

    A connection that broke while it was idle in the pool says nothing about the server now: hence a second attempt.
    Raises what pymongo raises.
    """
    _ = client.is_primary  # waits for a server; inside pymongo.timeout() that wait would have another limit
    with pymongo.timeout(client.options.pool_options.connect_timeout):
        try:
            return _ask(client, database, collection)
        except (NetworkTimeout, ServerSelectionTimeoutError):
            raise  # both are subclasses of AutoReconnect, but the time is up
        except AutoReconnect:
            return _ask(client, database, collection)


def _ask(client: MongoClient[dict[str, Any]], database: str | None, collection: str) -> MongoHealth:
    hello = client.admin.command("hello")
    start = time.perf_counter()
    client.admin.command("ping")
    round_trip_ms = (time.perf_counter() - start) * 1000
    if database is not None:
        client[database].command({"find": collection, "limit": 1, "singleBatch": True})  # a command isn't retried
    return MongoHealth(
        address=hello.get("me") or ",".join(sorted(formatted(node) for node in client.nodes)),
        server_version=_version(client),
        deployment=_deployment(hello),
        replica_set=hello.get("setName"),
        database=database,
        round_trip_ms=round(round_trip_ms, 3),
    )


def _deployment(hello: dict[str, Any]) -> Deployment:
    if hello.get("msg") == "isdbgrid":  # how a router of a sharded cluster identifies itself
        return "sharded cluster"
    return "replica set" if "setName" in hello else "standalone"


def _version(client: MongoClient[dict[str, Any]]) -> str | None:
    try:
        version = client.admin.command("buildInfo").get("version")
    except OperationFailure:  # not allowed under a strict API version
        return None
    return version if isinstance(version, str) else None
