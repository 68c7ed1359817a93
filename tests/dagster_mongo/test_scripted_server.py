"""The scripted server works as a MongoDB for pymongo, forwards commands, and fails on demand."""

from __future__ import annotations

import math
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import bson
import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import AutoReconnect, ConnectionFailure, OperationFailure

from tests.dagster_mongo.conftest import PATIENCE_SECONDS, eventually
from tests.helpers import wire
from tests.helpers.scripted_server import ScriptedServer

MakeClient = Callable[..., MongoClient[dict[str, Any]]]


@pytest.fixture
def client_of() -> Iterator[MakeClient]:
    """Clients that are closed afterwards: `client_of(server, option=...)`."""
    made = []

    def make(server: ScriptedServer, **options: Any) -> MongoClient[dict[str, Any]]:
        options = {"serverSelectionTimeoutMS": 5000, "retryReads": False, "retryWrites": False, **options}
        made.append(MongoClient[dict[str, Any]](server.url, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def things(
    proxy: ScriptedServer, mongo_database: Database[dict[str, Any]], client_of: MakeClient
) -> Collection[dict[str, Any]]:
    """A collection behind the proxy; `mongo_database` accesses it directly."""
    return client_of(proxy)[mongo_database.name]["things"]


def test_alone_it_answers_a_client(client_of: MakeClient) -> None:
    with ScriptedServer() as server:
        client = client_of(server)
        assert client.admin.command("ping")["ok"] == 1
        with pytest.raises(OperationFailure, match="no such command: 'find'"):
            client["any"]["thing"].find_one()
        assert {"hello", "ping", "find"} <= set(server.names())
        assert server.open_connections >= 2  # one monitors the server, one is for commands


def test_it_speaks_the_older_handshake() -> None:
    query = struct.pack("<i", 0) + b"admin.$cmd\0" + struct.pack("<ii", 0, -1) + bson.encode({"isMaster": 1})
    with ScriptedServer() as server, socket.create_connection(server.address, timeout=PATIENCE_SECONDS) as client:
        client.sendall(wire.packed(wire.OP_QUERY, query, 7))
        reply = wire.receive(client)
        assert reply.opcode == wire.OP_REPLY
        assert wire.decode(reply)["isWritablePrimary"] is True
        assert server.names() == ["hello"]


def test_a_client_behind_a_load_balancer_connects(client_of: MakeClient) -> None:
    with ScriptedServer() as server:
        client = client_of(server, loadBalanced=True, directConnection=False)
        assert client.admin.command("ping")["ok"] == 1


def test_a_monitoring_client_waits_for_changes_of_the_topology(client_of: MakeClient) -> None:
    with ScriptedServer(streaming=True) as server:
        client = client_of(server, heartbeatFrequencyMS=500)
        client.admin.command("ping")
        assert eventually(lambda: any("topologyVersion" in c.document for c in server.commands))
        assert client.admin.command("ping")["ok"] == 1
        client.close()
        assert eventually(lambda: server.open_connections == 0)


def test_a_client_that_allows_it_gets_repeated_replies() -> None:
    with ScriptedServer(streaming=True) as server, socket.create_connection(server.address, PATIENCE_SECONDS) as client:

        def hello(request_id: int, flags: int, **more: Any) -> wire.Message:
            body = wire.op_msg({"hello": 1, "$db": "admin", **more}, flags)
            client.sendall(wire.packed(wire.OP_MSG, body, request_id))
            return wire.receive(client)

        known = wire.decode(hello(1, 0))["topologyVersion"]
        first = hello(2, wire.EXHAUST_ALLOWED, topologyVersion=known, maxAwaitTimeMS=50)
        for reply in (first, wire.receive(client), wire.receive(client)):
            assert reply.flags & wire.MORE_TO_COME
            assert wire.decode(reply)["topologyVersion"] == known


def test_a_client_with_another_protocol_is_cut_off() -> None:
    with ScriptedServer() as server, socket.create_connection(server.address, timeout=PATIENCE_SECONDS) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        with pytest.raises((EOFError, ConnectionResetError)):
            wire.receive(client)


def test_it_forwards_commands(
    things: Collection[dict[str, Any]], mongo_database: Database[dict[str, Any]], proxy: ScriptedServer
) -> None:
    things.insert_many([{"_id": "a", "n": 1}, {"_id": "b", "n": 2**40}], ordered=False)
    assert list(mongo_database["things"].find(sort=[("n", 1)])) == list(things.find(sort=[("n", 1)]))
    insert = next(c for c in proxy.commands if c.name == "insert")
    assert [d["_id"] for d in insert.document["documents"]] == ["a", "b"]


def test_a_reply_is_overridden_while_the_fault_is_on(things: Collection[dict[str, Any]], proxy: ScriptedServer) -> None:
    refusal = {"ok": 0, "code": 13, "codeName": "Unauthorized", "errmsg": "not allowed"}
    with proxy.fault("insert", reply=refusal) as fault:
        with pytest.raises(OperationFailure, match="not allowed"):
            things.insert_one({"_id": "a"})
        assert fault.hits == 1
    things.insert_one({"_id": "a"})
    assert fault.hits == 1


def test_a_function_edits_the_upstreams_reply(things: Collection[dict[str, Any]], proxy: ScriptedServer) -> None:
    things.insert_one({"_id": "a"})
    proxy.fault("count", reply=lambda command: {**command.forward(), "n": 42})
    assert things.estimated_document_count() == 42


def test_the_nth_reply_is_lost_but_the_command_was_carried_out(
    things: Collection[dict[str, Any]], mongo_database: Database[dict[str, Any]], proxy: ScriptedServer
) -> None:
    proxy.fault("insert", cut=True, after=True, at=2, times=1)
    things.insert_one({"_id": "a"})
    with pytest.raises(AutoReconnect):
        things.insert_one({"_id": "b"})
    things.insert_one({"_id": "c"})
    assert {d["_id"] for d in mongo_database["things"].find()} == {"a", "b", "c"}


def test_the_command_is_lost_when_cut_before(
    things: Collection[dict[str, Any]], mongo_database: Database[dict[str, Any]], proxy: ScriptedServer
) -> None:
    proxy.fault("insert", cut=True, where=lambda c: c.document["documents"][0]["_id"] == "b")
    things.insert_one({"_id": "a"})
    with pytest.raises(AutoReconnect):
        things.insert_one({"_id": "b"})
    assert {d["_id"] for d in mongo_database["things"].find()} == {"a"}


def test_a_delayed_command_is_released_when_the_fault_is_switched_off(
    things: Collection[dict[str, Any]], proxy: ScriptedServer
) -> None:
    fault = proxy.fault("find", delay=math.inf)
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(things.find_one({"_id": "a"})), daemon=True)
    thread.start()
    assert eventually(lambda: fault.hits == 1)
    assert found == []
    fault.off()
    thread.join(PATIENCE_SECONDS)
    assert found == [None]


def test_no_reply_at_all(client_of: MakeClient, proxy: ScriptedServer) -> None:
    proxy.fault("ping", reply=lambda _: None)
    with pytest.raises(ConnectionFailure, match="timed out"):
        client_of(proxy, socketTimeoutMS=200).admin.command("ping")


def test_it_goes_down_and_comes_back_on_its_port(client_of: MakeClient, proxy: ScriptedServer) -> None:
    client = client_of(proxy, serverSelectionTimeoutMS=300)
    client.admin.command("ping")
    port = proxy.port
    proxy.stop()
    with pytest.raises(ConnectionFailure):
        client.admin.command("ping")
    assert eventually(lambda: proxy.open_connections == 0)
    proxy.start()
    assert proxy.port == port
    assert client_of(proxy).admin.command("ping")["ok"] == 1


def test_the_handshake_can_be_changed(client_of: MakeClient) -> None:
    with ScriptedServer(hello={"maxWireVersion": 2}) as server, pytest.raises(Exception, match="wire version 2"):
        client_of(server).admin.command("ping")


def test_unacknowledged_writes_get_no_reply(client_of: MakeClient) -> None:
    """Without upstream, because nx-27017 replies to them, so that later replies belong to the wrong request."""
    with ScriptedServer() as server:
        server.fault("insert", reply={"ok": 1, "n": 1})
        client = client_of(server, w=0, maxPoolSize=1)
        client["any"]["thing"].insert_one({"_id": "a"})
        assert client.admin.command("ping")["ok"] == 1
        assert "insert" in server.names()
