"""check(): the report on a healthy database, and every problem in plain words, in time, without the password."""

from __future__ import annotations

import math
import pickle
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.uri_parser import parse_uri

from dagster_mongo import MongoHealth, MongoResource, MongoUnavailableError
from dagster_mongo.diagnosis import diagnose
from tests.dagster_mongo.conftest import ENCODED, PATIENCE_SECONDS
from tests.helpers.processes import free_port
from tests.helpers.scripted_server import ScriptedServer

REFUSED_LOGIN = {"ok": 0, "code": 18, "codeName": "AuthenticationFailed", "errmsg": "Authentication failed."}
NO_LOGIN = {"ok": 0, "code": 13, "codeName": "Unauthorized", "errmsg": "Command find requires authentication"}
NO_RIGHT = {"ok": 0, "code": 13, "codeName": "Unauthorized", "errmsg": "not authorized on shots to execute command"}
QUICK: dict[str, Any] = {"server_selection_timeout_ms": 1000, "connect_timeout_ms": 1000}
Problem = Callable[..., MongoUnavailableError]


@pytest.fixture
def problem(keeps_secret: Callable[[BaseException], None]) -> Problem:
    """The error of a check that fails, in time, with the address and without the password in it."""

    def check(url: str, **fields: Any) -> MongoUnavailableError:
        mongo = MongoResource(url=url, **{"database": "shots", **QUICK, **fields})
        start = time.monotonic()
        with pytest.raises(MongoUnavailableError) as caught:
            mongo.check()
        assert time.monotonic() - start < PATIENCE_SECONDS
        keeps_secret(caught.value)
        error = caught.value
        assert str(error) == f"MongoDB at {error.address}: {error.what}. {error.advice}"
        return error

    return check


def with_password(server: ScriptedServer) -> str:
    return server.url.replace("mongodb://", f"mongodb://ann:{ENCODED}@")


def test_a_healthy_database(mongo_server: str, mongo_database: Database[dict[str, Any]]) -> None:
    health = MongoResource(url=mongo_server, database=mongo_database.name).check()
    assert health.address == ":".join(map(str, parse_uri(mongo_server)["nodelist"][0]))
    assert health.database == mongo_database.name
    assert 0 < health.round_trip_ms < PATIENCE_SECONDS * 1000
    assert health.server_version is not None
    with pytest.raises(AttributeError):
        health.address = "elsewhere"  # type: ignore[misc]


def test_without_a_database_nothing_is_read() -> None:
    with ScriptedServer() as server:
        health = MongoResource(url=server.url).check()
        assert health == MongoHealth(
            f"127.0.0.1:{server.port}", "7.0.0", "standalone", None, None, health.round_trip_ms
        )
        assert "find" not in server.names()


def test_it_reads_the_collection_that_is_named(proxy: ScriptedServer) -> None:
    mongo = MongoResource(url=proxy.url, database="shots")
    mongo.check()
    mongo.check(collection="verdicts")
    assert [c.document["find"] for c in proxy.commands if c.name == "find"] == ["health", "verdicts"]


@pytest.mark.parametrize(
    ("hello", "deployment", "replica_set"),
    [
        ({"setName": "rs0", "hosts": [], "me": "one:1"}, "replica set", "rs0"),
        ({"msg": "isdbgrid"}, "sharded cluster", None),
    ],
)
def test_what_it_is_part_of(hello: dict[str, Any], deployment: str, replica_set: str | None) -> None:
    with ScriptedServer(hello=hello) as server:
        health = MongoResource(url=server.url).check()
        assert (health.deployment, health.replica_set) == (deployment, replica_set)
        assert health.address == hello.get("me", f"127.0.0.1:{server.port}")


def test_the_version_may_be_missing() -> None:
    with ScriptedServer() as server:
        server.fault("buildInfo", reply={"ok": 0, "code": 323, "errmsg": "not in API version 1"})
        assert MongoResource(url=server.url).check().server_version is None


def test_a_connection_that_broke_while_idle_is_no_problem(proxy: ScriptedServer) -> None:
    mongo = MongoResource(url=proxy.url, database="shots")
    mongo.check()
    proxy.fault(
        "hello", cut=True, times=1, where=lambda c: "backpressure" not in c.document
    )  # the check's, not a handshake
    assert mongo.check().database == "shots"


def test_absent(problem: Problem) -> None:
    port = free_port()
    error = problem(f"mongodb://ann:{ENCODED}@127.0.0.1:{port}/")
    assert error.reason == "absent"
    assert error.address == f"127.0.0.1:{port}"
    assert "nothing listens" in str(error)


def test_unresolvable(problem: Problem) -> None:
    error = problem(f"mongodb://ann:{ENCODED}@no-such-host.invalid/")
    assert (error.reason, error.address) == ("unresolvable", "no-such-host.invalid:27017")


def test_unresolvable_service_name(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    from dns import resolver

    def no_name(*_: Any, **__: Any) -> None:
        raise resolver.NXDOMAIN

    monkeypatch.setattr(resolver, "resolve", no_name)
    error = problem(f"mongodb+srv://ann:{ENCODED}@cluster.example.invalid/")
    assert (error.reason, error.address) == ("unresolvable", "cluster.example.invalid")


def test_wrong_credentials(problem: Problem) -> None:
    with ScriptedServer() as server:
        server.fault("saslStart", reply=REFUSED_LOGIN)
        error = problem(with_password(server))
        assert error.reason == "authentication"
        assert "authSource" in error.advice
        assert "saslStart" in server.names()


def test_no_credentials(problem: Problem) -> None:
    with ScriptedServer() as server:
        server.fault("find", reply=NO_LOGIN)
        error = problem(server.url)
        assert error.reason == "authentication"
        assert "the URL has none" in error.what


def test_not_authorised(problem: Problem) -> None:
    with ScriptedServer() as server:
        server.fault("find", reply=NO_RIGHT)
        error = problem(server.url)
        assert error.reason == "authorisation"
        assert "role" in error.advice


@pytest.mark.parametrize("hello", [{"maxWireVersion": 5}, {"minWireVersion": 90, "maxWireVersion": 99}])
def test_too_old_or_too_new(hello: dict[str, Any], problem: Problem) -> None:
    with ScriptedServer(hello=hello) as server:
        error = problem(server.url)
        assert error.reason == "version"
        assert "wire version" in error.what


def test_accepts_and_never_answers(problem: Problem) -> None:
    with ScriptedServer() as server:
        server.fault("*", delay=math.inf)
        assert problem(server.url, connect_timeout_ms=300).reason == "time-out"
        assert problem(server.url, connect_timeout_ms=5000).reason == "time-out"  # the wait for a server ends first


def test_answers_the_handshake_and_then_nothing(problem: Problem) -> None:
    with ScriptedServer() as server:
        server.fault("find", delay=math.inf)
        assert problem(server.url, connect_timeout_ms=300).reason == "time-out"


def test_cuts_every_connection(problem: Problem) -> None:
    with ScriptedServer() as server:
        server.fault("*", cut=True)
        error = problem(server.url)
        assert error.reason == "cut"
        assert "TLS" in error.advice


def test_cuts_when_it_is_asked_for_data(problem: Problem) -> None:
    with ScriptedServer() as server:
        server.fault("find", cut=True)
        assert problem(server.url).reason == "cut"
        assert server.names().count("find") == 2  # a second attempt, no more


def test_no_primary(problem: Problem) -> None:
    with ScriptedServer() as server:
        me = f"127.0.0.1:{server.port}"
        server.fault(
            "hello",
            reply=lambda c: {
                **c.forward(), "isWritablePrimary": False, "secondary": True, "setName": "rs0", "hosts": [me], "me": me,
            },
        )  # fmt: skip
        error = problem(f"mongodb://{me}/?replicaSet=rs0")
        assert error.reason == "no primary"
        assert "RSSecondary" in error.what


def test_no_longer_primary(problem: Problem) -> None:
    with ScriptedServer() as server:
        server.fault("find", reply={"ok": 0, "code": 10107, "codeName": "NotWritablePrimary", "errmsg": "not primary"})
        assert problem(server.url).reason == "no primary"


def test_any_other_refusal(problem: Problem) -> None:
    with ScriptedServer() as server:
        server.fault("find", reply={"ok": 0, "code": 8, "codeName": "UnknownError", "errmsg": "out of cheese"})
        error = problem(server.url)
        assert error.reason == "refused"
        assert "8 (out of cheese)" in error.what


def test_unreachable() -> None:
    from pymongo.errors import AutoReconnect

    lost = AutoReconnect("10.0.0.1:27017: [Errno 113] No route to host")
    lost.__cause__ = OSError(113, "No route to host")
    error = diagnose(lost, "10.0.0.1:27017")
    assert (error.reason, error.what) == ("absent", "it can't be reached: No route to host")


def test_it_heals(problem: Problem) -> None:
    """A check uses the shared client, which finds the server again when it is back."""
    with ScriptedServer() as server:
        mongo = MongoResource(url=server.url, **QUICK)
        assert mongo.check()
        server.stop()
        with pytest.raises(MongoUnavailableError):
            mongo.check()
        server.start()
        assert mongo.check()


def test_the_error_survives_pickling() -> None:
    """Dagster may pass it between processes."""
    error = MongoUnavailableError("host:1", "absent", "nothing listens there", "Start it.")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.reason) == (str(error), "absent")


def test_the_free_port_is_free() -> None:
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", free_port()), timeout=1):
        pass
