"""The store on MongoDB when things go wrong: each error says what to do, and nothing half-written is ever seen."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pyarrow as pa
import pymongo.errors as pe
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from parivision_core.nba.shots import NBA
from parivision_core.nba.shots.history import feature_state
from parivision_core.problems import ConfigurationError, ConflictError, LockLostError, StoreError
from parivision_core.records import FeatureStateRecord
from parivision_core.store.base import WarehouseState
from parivision_core.store.mongo import MongoStore, connect, documents, lease
from parivision_core.store.mongo.connection import explain
from tests.helpers.batches import bad_row, manifest, refused, rows, shots_of, verdict
from tests.helpers.scripted_server import ScriptedServer
from tests.helpers.stores import named

Documents = Database[dict[str, Any]]


@pytest.fixture
def shaky(shaky_database: Documents) -> MongoStore:
    """A store behind the proxy, with short timeouts."""
    return MongoStore(shaky_database, NBA.lake, NBA.warehouse)


def plain(database: Documents) -> MongoStore:
    return MongoStore(database, NBA.lake, NBA.warehouse)


def ids(store: MongoStore) -> list[str]:
    table = store.lake(["_id"])
    return sorted(table["_id"].to_pylist()) if table.num_rows else []


WRITES = ("insert", "update", "delete", "findAndModify")


def write_of(number: int) -> Callable[[Any], bool]:
    """Matches the n-th write that comes from now on."""
    seen = iter(range(1_000_000))
    return lambda command: command.name in WRITES and next(seen) == number


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
def test_a_connection_cut_during_a_commit_leaves_a_whole_batch_or_none(
    applied: bool, proxy: ScriptedServer, shaky: MongoStore, mongo_database: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut at every write of a commit, before it is carried out or before it is acknowledged."""
    monkeypatch.setattr(documents, "PIECE", 1)
    shaky.manifests()
    start = len(proxy.commands)
    shaky.commit_batch(manifest("whole", quarantined=1), shots_of("whole"), [bad_row("whole")])
    writes = sum(command.name in WRITES for command in proxy.commands[start:])
    assert writes >= 6  # a number, the open manifest, two pieces, the quarantine, the commit
    here = plain(mongo_database)
    for number in range(writes):
        name = f"b{number}"
        # Twice, because pymongo itself repeats a write once where the server can recognise repeated writes.
        proxy.fault("*", cut=True, after=applied, where=write_of(number), times=2)
        try:
            shaky.commit_batch(manifest(name, quarantined=1), shots_of(name), [bad_row(name)])
        except StoreError as error:
            assert "Start the server or correct PARIVISION_MONGO_URL" in str(error)
        proxy.clear()
        seen = [m.batch_id for m in here.manifests()]
        assert len(here.quarantine()) == len(seen)
        assert ids(here) == sorted(f"{m}{i}" for m in seen for i in (1, 2))
        if name not in seen:
            shaky.commit_batch(manifest(name, quarantined=1), shots_of(name), [bad_row(name)])
        assert ids(here)[:2] == ["b01", "b02"]
        assert here.lake(batch=name).num_rows == 2
    assert mongo_database["manifests"].count_documents({}) == writes + 1
    assert mongo_database[NBA.lake].count_documents({}) == 2 * (writes + 1)


def test_a_publication_that_is_cut_off_is_not_seen(
    proxy: ScriptedServer, shaky: MongoStore, mongo_database: Documents
) -> None:
    here, record = plain(mongo_database), feature_state.FeatureState(schema="s").record()
    before, after = rows("ace", [1, 2, 3]), rows("aceg", [1, 2, 3, 4])
    shaky.publish_warehouse({"2023": before}, WarehouseState(rows=3), {"current": record})
    start = len(proxy.commands)
    shaky.publish_warehouse({"2023": after}, WarehouseState(rows=4), {"current": record})
    writes = sum(command.name in WRITES for command in proxy.commands[start:])
    shown = after
    for number in range(writes):
        wanted = before if shown is after else after
        proxy.fault("*", cut=True, where=write_of(number), times=2)
        with suppress(StoreError):
            shaky.publish_warehouse({"2023": wanted}, WarehouseState(rows=wanted.num_rows), {"current": record})
        proxy.clear()
        shown = here.warehouse()
        assert shown.equals(after) or shown.equals(before)
        assert here.warehouse_state().rows == shown.num_rows
        assert here.get_feature_state() == record
        shaky.publish_warehouse({"2023": wanted}, WarehouseState(rows=wanted.num_rows), {"current": record})
        shown = wanted
        assert here.warehouse().equals(wanted)
    assert mongo_database[NBA.warehouse].count_documents({}) == here.warehouse().num_rows
    assert mongo_database["feature_states"].count_documents({}) == 1


def test_a_later_day_is_appended_to_its_part(proxy: ScriptedServer, shaky: MongoStore) -> None:
    shaky.publish_warehouse({"2023": rows("ace", [1, 2, 3])}, WarehouseState(), {})
    start = len(proxy.commands)
    shaky.publish_warehouse({}, WarehouseState(), {}, {"2023": rows("gi", [4, 5])})
    inserts = [command.document for command in proxy.commands[start:] if command.name == "insert"]
    rows_sent = [row for insert in inserts if insert["insert"] == NBA.warehouse for row in insert["documents"]]
    assert [row["_row"] for row in rows_sent] == ["g", "i"]
    assert shaky.warehouse().equals(rows("acegi", [1, 2, 3, 4, 5]))


def test_readers_see_nothing_of_a_batch_under_way(
    proxy: ScriptedServer, shaky: MongoStore, mongo_database: Documents
) -> None:
    here, seen = plain(mongo_database), []
    here.commit_batch(manifest("a"), shots_of("a"), [])

    def look(command: Any) -> Any:
        seen.append((ids(here), len(here.quarantine()), len(here.manifests())))
        return command.forward()

    proxy.fault("*", reply=look, where=lambda command: command.name in WRITES)
    shaky.commit_batch(manifest("b", quarantined=1), shots_of("b"), [bad_row()])
    assert len(seen) >= 5
    *during, last = seen  # the last write forgets the batch's failures, after the commit
    assert set(map(str, during)) == {str((["a1", "a2"], 0, 1))}
    assert last == (["a1", "a2", "b1", "b2"], 1, 2)


def unreachable() -> pytest.RaisesExc[StoreError]:
    return pytest.raises(StoreError, match=r"can't be reached.*Start the server or correct PARIVISION_MONGO_URL")


def test_an_absent_server_is_reported_and_found_once_it_is_there(proxy: ScriptedServer, shaky: MongoStore) -> None:
    proxy.stop()
    with unreachable():
        shaky.manifests()
    with unreachable():
        shaky.get_feature_state()
    with unreachable(), shaky.exclusive("ingest"):
        pass
    with unreachable():
        shaky.commit_batch(manifest(), shots_of("b"), [])
    proxy.start()
    shaky.commit_batch(manifest(), shots_of("b"), [])
    assert ids(shaky) == ["b1", "b2"]
    proxy.stop()
    with unreachable():
        shaky.lake()
    proxy.start()
    assert ids(shaky) == ["b1", "b2"]


def test_a_server_that_never_answers_is_reported(proxy: ScriptedServer, shaky: MongoStore) -> None:
    shaky.manifests()
    with proxy.fault("find", delay=60), pytest.raises(StoreError, match="didn't answer in time"):
        shaky.manifests()
    assert shaky.manifests() == []


REFUSALS = {
    "full disk": ({"ok": 0, "code": 14031, "errmsg": "available disk space is below the minimum"}, "disk is full"),
    "full disk, for one document": (
        {"ok": 1, "n": 0, "writeErrors": [{"index": 0, "code": 8, "errmsg": "28: No space left on device"}]},
        "disk is full; free some space",
    ),
    "not allowed": ({"ok": 0, "code": 13, "errmsg": "not authorized on x"}, "readWrite"),
    "no majority": (
        {"ok": 1, "n": 1, "writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}},
        "majority of its members",
    ),
    "shutting down": ({"ok": 0, "code": 91, "errmsg": "shutdown in progress"}, "shutdown in progress"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refused_write_is_explained(name: str, proxy: ScriptedServer, shaky: MongoStore) -> None:
    reply, why = REFUSALS[name]
    shaky.manifests()
    lake_only = {"where": lambda command: command.document["insert"] == NBA.lake}
    with proxy.fault("insert", reply=reply, **lake_only):
        refused(shaky, shots_of("b"), why)
    shaky.commit_batch(manifest(), shots_of("b"), [])
    assert ids(shaky) == ["b1", "b2"]


def test_wrong_credentials_are_named_and_not_shown() -> None:
    no = {"ok": 0, "code": 18, "codeName": "AuthenticationFailed", "errmsg": "Authentication failed."}
    with ScriptedServer() as server:
        server.fault("saslStart", reply=no)
        url = server.url.replace("//", "//pari:s3cret@") + "&authMechanism=SCRAM-SHA-256"
        store = MongoStore(connect(url))
        with pytest.raises(StoreError, match="refused the user name or password; correct them") as caught:
            store.manifests()
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("where", ["shots", "quarantine"])
def test_a_row_larger_than_a_document_is_named(where: str, mongo_database: Documents) -> None:
    store, text = plain(mongo_database), "x" * 17_000_000
    table = shots_of("b")
    bad = [bad_row()]
    if where == "shots":
        table = table.append_column("raw", pa.array(["", text]))
    else:
        bad = [type(bad[0])(batch_id="b", row=7, reason="too long", raw=text)]
    with pytest.raises(StoreError, match=r"(shot b2|row 7 of b) is 17\.0 MB, and MongoDB keeps no document over 16 MB"):
        store.commit_batch(manifest(quarantined=1), table, bad)
    assert store.manifests() == []
    assert mongo_database[NBA.lake].count_documents({}) == 0


def test_a_verdict_without_a_finite_number_is_refused(mongo_database: Documents) -> None:
    with pytest.raises(StoreError, match="gain of a Verdict is nan"):
        plain(mongo_database).put_verdict(msgspec.structs.replace(verdict(1), gain=float("nan")))


def test_a_database_of_another_version_is_refused(mongo_database: Documents) -> None:
    plain(mongo_database).manifests()
    mongo_database["meta"].update_one({"_id": "format"}, {"$set": {"value": "99"}})
    with pytest.raises(StoreError, match="has format 99, this version writes format 3; name another database"):
        plain(mongo_database).manifests()


def test_a_database_from_before_links_is_upgraded(mongo_database: Documents) -> None:
    plain(mongo_database).commit_batch(manifest("a"), shots_of("a"), [])
    mongo_database["links"].drop()
    mongo_database["manifests"].update_one({"batch_id": "a"}, {"$unset": {"hidden": "", "kept": "", "withdraws": ""}})
    mongo_database["meta"].update_one({"_id": "format"}, {"$set": {"value": "2"}})
    store = plain(mongo_database)
    assert [m.kept for m in store.manifests()] == [None]
    store.commit_batch(manifest("b"), shots_of("b"), [])
    assert ids(store) == ["a1", "a2", "b1", "b2"]
    assert mongo_database["meta"].find_one({"_id": "format"}) == {"_id": "format", "value": "3"}


def test_a_database_of_another_program_is_left_alone(mongo_database: Documents) -> None:
    mongo_database[NBA.lake].insert_one({"_id": "old", "Game ID": "29700427"})
    with pytest.raises(StoreError, match="holds documents that this version didn't write"):
        plain(mongo_database).commit_batch(manifest(), shots_of("b"), [])
    assert mongo_database[NBA.lake].count_documents({}) == 1


def test_missing_indexes_are_made_and_different_ones_refused(mongo_database: Documents) -> None:
    plain(mongo_database).manifests()

    def indexed() -> set[tuple[str, ...]]:
        found = mongo_database["manifests"].index_information().values()
        return {tuple(name for name, _ in index["key"]) for index in found}

    assert {("batch_id",), ("fingerprint",)} <= indexed()
    for name, index in mongo_database["manifests"].index_information().items():
        if index["key"][0][0] == "batch_id":
            mongo_database["manifests"].drop_index(name if name.endswith("_1") else "batch_id_1")
    assert ("batch_id",) not in indexed()
    plain(mongo_database).manifests()
    assert ("batch_id",) in indexed()
    mongo_database["manifests"].drop_index("batch_id_1")
    mongo_database["manifests"].create_index([("batch_id", 1)])
    with pytest.raises(StoreError, match=r"index on batch_id of .*manifests should be unique; drop it"):
        plain(mongo_database).manifests()


def test_what_an_attempt_left_that_lost_its_lock_is_replaced(mongo_database: Documents) -> None:
    """Shots of a process that kept writing after it had lost its lock: no manifest will ever show them."""
    store = plain(mongo_database)
    store.commit_batch(manifest("a"), shots_of("a"), [])
    mongo_database[NBA.lake].insert_one({"_id": "b1", "game_date": "2023-01-01", "_n": 77})
    store.commit_batch(manifest("b"), shots_of("b"), [])
    assert store.lake(batch="b").sort_by("_id").equals(shots_of("b"))


def test_a_shot_that_another_process_committed_makes_the_batch_start_over(mongo_database: Documents) -> None:
    store = plain(mongo_database)
    store.commit_batch(manifest("a"), shots_of("a"), [])
    with pytest.raises(ConflictError, match="another process stored some of the shots meanwhile"):
        store.commit_batch(manifest("b"), shots_of("a"), [])
    assert [m.batch_id for m in store.manifests()] == ["a"]
    assert ids(store) == ["a1", "a2"]


def writes_of(proxy: ScriptedServer, work: Callable[[], Any]) -> int:
    """How many writes `work` sends."""
    start = len(proxy.commands)
    work()
    return sum(command.name in WRITES for command in proxy.commands[start:])


def race(first: Runner, second: Runner, stop_first: int, stop_second: int) -> None:
    """Suspend the first before a write; run the second up to one of its writes; then finish the first, then the second.

    This is what two processes do that both believe that they hold the lock.
    """
    second_waits, first_done = threading.Event(), threading.Event()

    def suspend_second(command: Any) -> Any:
        second_waits.set()
        first_done.wait(30)
        return command.forward()

    def run_second() -> None:
        with suppress(StoreError):
            second.work()
        second_waits.set()

    rival = threading.Thread(target=run_second)

    def suspend_first(command: Any) -> Any:
        rival.start()
        second_waits.wait(30)
        return command.forward()

    first.proxy.fault("*", reply=suspend_first, where=write_of(stop_first), times=1)
    second.proxy.fault("*", reply=suspend_second, where=write_of(stop_second), times=1)
    with suppress(StoreError):
        first.work()
    first_done.set()
    rival.join(60)
    assert not rival.is_alive()
    first.proxy.clear()
    second.proxy.clear()


@dataclass
class Runner:
    """A store behind a proxy of its own, and the work that it does."""

    proxy: ScriptedServer
    store: MongoStore
    work: Callable[[], Any] = lambda: None


@pytest.fixture
def two(mongo_server: str, mongo_database: Documents) -> Iterator[tuple[Runner, Runner]]:
    parts = urlsplit(mongo_server)
    upstream = (parts.hostname or "127.0.0.1", parts.port or 27017)
    with ScriptedServer(upstream) as one, ScriptedServer(upstream) as other:
        urls = [mongo_server.replace(f":{parts.port}", f":{server.port}") for server in (one, other)]
        with MongoClient(urls[0], directConnection=True) as here, MongoClient(urls[1], directConnection=True) as there:
            runners = [
                Runner(server, plain(client[mongo_database.name])) for server, client in ((one, here), (other, there))
            ]
            yield runners[0], runners[1]


def dated(batch: str) -> pa.Table:
    """Shots with realistic ids."""
    table = shots_of(batch)
    real = [f"{day}:22200001:{batch}:1:719:0" for day in table["game_date"].to_pylist()]
    return table.set_column(0, "_id", pa.array(real))


def test_two_processes_commit_the_same_shots_at_once(two: tuple[Runner, Runner], mongo_database: Documents) -> None:
    """Wherever the two are suspended, the batch is there once and complete."""
    first, second = two
    first.store.commit_batch(manifest("warm"), dated("warm"), [])
    again = writes_of(first.proxy, lambda: first.store.commit_batch(manifest("up"), dated("up"), []))
    second.store.manifests()
    here = plain(mongo_database)
    sweeping = 6  # writes by which the second removes what the first has left
    for stop_first, stop_second in itertools.product(range(again), range(again + sweeping)):
        batch, shots = f"b{stop_first}{stop_second}", dated(f"{stop_first}{stop_second}")
        first.work = lambda b=batch, s=shots: first.store.commit_batch(manifest(b), s, [])  # type: ignore[misc]
        second.work = lambda b=f"{batch}x", s=shots: second.store.commit_batch(manifest(b), s, [])  # type: ignore[misc]
        race(first, second, stop_first, stop_second)
        made = [m.batch_id for m in here.manifests() if m.batch_id in (batch, f"{batch}x")]
        assert len(made) == 1, (stop_first, stop_second, made)  # one of them gets through
        assert here.lake(batch=made[0]).sort_by("_id").equals(shots), (stop_first, stop_second, made)
    here.commit_batch(manifest("last"), dated("last"), [])
    assert (
        mongo_database[NBA.lake].count_documents({})
        == here.lake(["_id"]).num_rows
        == 2 * (again * (again + sweeping) + 3)
    )
    assert mongo_database["manifests"].count_documents({}) == len(here.manifests())


def test_two_processes_publish_at_once(two: tuple[Runner, Runner], mongo_database: Documents) -> None:
    first, second = two
    here, record = plain(mongo_database), feature_state.FeatureState(schema="s").record()
    other = msgspec.structs.replace(record, stamp="other", payload=record.payload + b"x")
    grown, anew = rows("abc", [1, 2, 3]), rows("xy", [8, 9])

    def publish(runner: Runner, table: pa.Table, kept: FeatureStateRecord) -> None:
        runner.store.publish_warehouse({"2023": table}, WarehouseState(rows=table.num_rows), {"current": kept})

    first.work = lambda: publish(first, grown, record)
    second.work = lambda: publish(second, anew, other)
    first.work()
    second.work()
    count = writes_of(first.proxy, first.work)
    for stop_first, stop_second in itertools.product(range(count), repeat=2):
        here.publish_warehouse({"2023": rows("ab", [1, 2])}, WarehouseState(rows=2), {"current": record})
        race(first, second, stop_first, stop_second)
        shown, kept = here.warehouse(), here.get_feature_state()
        assert any(shown.equals(table) for table in (grown, anew, rows("ab", [1, 2]))), (stop_first, stop_second)
        assert here.warehouse_state().rows == shown.num_rows
        assert kept in (record, other)
        assert (kept == other) == shown.equals(anew)
        publish(first, grown, record)
        assert here.warehouse().equals(grown)
    assert mongo_database[NBA.warehouse].count_documents({}) == 3
    assert mongo_database["feature_states"].count_documents({}) == 1


def test_a_store_that_lost_its_lock_writes_nothing(mongo_database: Documents, two: tuple[Runner, Runner]) -> None:
    first, second = two
    with first.store.exclusive("ingest"), first.store.exclusive("warehouse"):
        mongo_database["locks"].delete_many({})
        with second.store.exclusive("ingest", wait_seconds=0):
            start = len(first.proxy.commands)
            with pytest.raises(LockLostError, match="the lock ingest was lost"):
                first.store.commit_batch(manifest("b"), shots_of("b"), [])
            with pytest.raises(LockLostError, match="the lock warehouse was lost"):
                first.store.publish_warehouse({}, WarehouseState(), {})
            assert not [command for command in first.proxy.commands[start:] if command.name in WRITES]


def test_a_live_holder_keeps_its_lock(two: tuple[Runner, Runner], monkeypatch: pytest.MonkeyPatch) -> None:
    """Even when another process waits for longer than a lease, and one connection of the holder hangs."""
    monkeypatch.setattr(lease, "LEASE_SECONDS", 1.2)
    first, second = two
    with first.store.exclusive("ingest"):
        first.proxy.fault("update", delay=30, times=1)
        waiting = second.store.exclusive("ingest", wait_seconds=3)
        with pytest.raises(StoreError, match="the lock ingest has been held by process"), waiting:
            pytest.fail("two hold it")
        first.proxy.clear()
    with second.store.exclusive("ingest", wait_seconds=1):
        pass


def test_a_lock_that_is_renewed_at_the_last_moment_is_not_taken(
    two: tuple[Runner, Runner], mongo_database: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.3)
    first, _ = two
    first.store.manifests()
    mongo_database["locks"].insert_one({"_id": "ingest", "owner": "o", "holder": "h", "since": 0, "touches": 0})

    def touched(command: Any) -> Any:
        mongo_database["locks"].update_one({"_id": "ingest"}, {"$inc": {"touches": 1}})
        return command.forward()

    first.proxy.fault("delete", reply=touched)
    with (
        pytest.raises(StoreError, match="the lock ingest has been held by h"),
        first.store.exclusive("ingest", wait_seconds=1.5),
    ):
        pytest.fail("taken")
    assert mongo_database["locks"].count_documents({}) == 1


def test_what_belongs_to_no_commit_is_not_shown_and_is_removed(mongo_database: Documents) -> None:
    """For example from a client that gave up before the server carried out its insert."""
    store = plain(mongo_database)
    for name in "abc":
        store.commit_batch(manifest(name), shots_of(name), [])
    mongo_database["manifests"].delete_one({"_id": "2"})
    assert ids(store) == ["a1", "a2", "c1", "c2"]
    store.publish_warehouse({"2023": rows("a", [1])}, WarehouseState(), {})
    store.publish_warehouse({"2023": rows("ab", [1, 2])}, WarehouseState(), {})
    mongo_database["meta"].update_one({"_id": "counter:publications"}, {"$inc": {"value": 1}})
    store.publish_warehouse({"2023": rows("abc", [1, 2, 3])}, WarehouseState(), {})
    mongo_database[NBA.warehouse].insert_one({"_id": "late", "_row": "late", "f": 0.5, "_part": "2023", "_v": 3})
    assert store.warehouse()["_id"].to_pylist() == ["a", "b", "c"]
    store.commit_batch(manifest("d"), shots_of("d"), [])
    assert mongo_database[NBA.lake].count_documents({}) == 6


def test_a_feature_state_that_is_replaced_while_it_is_read_is_read_again(two: tuple[Runner, Runner]) -> None:
    first, second = two
    old = feature_state.FeatureState(schema="s").record()
    new = msgspec.structs.replace(old, stamp="new", payload=b"new")
    second.store.publish_warehouse({}, WarehouseState(), {"current": old})

    def replaced(command: Any) -> Any:
        second.store.publish_warehouse({}, WarehouseState(), {"current": new})
        return command.forward()

    first.proxy.fault(
        "find", reply=replaced, where=lambda command: command.document["find"] == "feature_states", times=1
    )
    assert first.store.get_feature_state() == new
    first.proxy.fault("find", reply=replaced, where=lambda command: command.document["find"] == NBA.warehouse, times=1)
    second.store.publish_warehouse({"2023": rows("ab", [1, 2])}, WarehouseState(), {})
    assert first.store.warehouse().num_rows == 2


def test_columns_of_different_widths_are_unified(mongo_database: Documents) -> None:
    store = plain(mongo_database)
    narrow = shots_of("a").append_column("x", pa.array([1, 2], pa.int8()))
    wide = shots_of("b").append_column("x", pa.array([1, 2**40], pa.int64()))
    store.commit_batch(manifest("a"), narrow, [])
    store.commit_batch(manifest("b"), wide, [])
    store.commit_batch(manifest("c"), narrow.set_column(0, "_id", pa.array(["c1", "c2"])), [])
    assert sorted(store.lake(["x"])["x"].to_pylist()) == [1, 1, 1, 2, 2, 2**40]
    store.commit_batch(manifest("d"), shots_of("d").append_column("x", pa.array(["p", "q"])), [])
    with pytest.raises(StoreError, match="types that can't be unified"):
        store.lake(["x"])


def test_unacknowledged_writes_are_refused(mongo_server: str) -> None:
    with pytest.raises(ConfigurationError, match="w=0 would lose shots"):
        MongoStore(connect(f"{named(mongo_server, 'x')}{'&' if '?' in mongo_server else '?'}w=0"))


def test_missing_rows_are_reported(mongo_database: Documents) -> None:
    store = plain(mongo_database)
    store.publish_warehouse({"2023": rows("ab", [1, 2])}, WarehouseState(), {})
    mongo_database[NBA.warehouse].delete_many({"_row": "a"})
    with pytest.raises(StoreError, match="the warehouse in MongoDB doesn't hold the rows that were published"):
        store.warehouse()
    store.publish_warehouse({"2023": rows("ab", [1, 2])}, WarehouseState(), {})  # publishing again repairs it
    assert store.warehouse()["_id"].to_pylist() == ["a", "b"]


def test_a_column_that_is_not_there_is_named(mongo_database: Documents) -> None:
    store = plain(mongo_database)
    store.commit_batch(manifest(), shots_of("b"), [])
    with pytest.raises(StoreError, match="no column is called y; there are _id, game_date, made"):
        store.lake(["_id", "y"])


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mongodb://pari:s3cret@host:notaport/x", "Port"),
        ("mongodb://pari:s3cret@host:99999/x", "[Pp]ort"),
        ("mongodb://pari:s3c@ret@host/x", "escaped"),
        ("mongodb://pari:s3/cret@host/x", ""),
        ("mongodb://host/?w=abc&nonsense=1&tls=maybe", "nonsense"),
        ("mongodb://host/a b", ""),
        ("http://pari:s3cret@host", "must begin with"),
    ],
)
def test_a_url_that_cannot_be_used_is_explained_without_its_password(url: str, why: str) -> None:
    with pytest.raises(
        ConfigurationError, match=f"PARIVISION_MONGO_URL can't be used: .*{why}.*it looks like"
    ) as caught:
        connect(url)
    assert not any(secret in str(caught.value) for secret in ("s3cret", "s3c@ret", "s3/cret", "s3c"))


def test_an_option_in_the_url_overrides_the_default() -> None:
    ours = connect("mongodb://host/shots?w=1&serverSelectionTimeoutMS=77")
    assert ours.name == "shots"
    assert ours.client.options.server_selection_timeout == 0.077
    assert ours.write_concern.document["w"] == 1
    usual = connect("mongodb://host")
    assert (usual.name, usual.write_concern.document["w"]) == ("parivision", "majority")
    assert connect("mongodb://host").client is usual.client


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (pe.NetworkTimeout("timed out"), "didn't answer in time"),
        (pe.ServerSelectionTimeoutError("host:1: refused, Timeout: 30s, Topology"), "can't be reached.*refused\\)$"),
        (pe.AutoReconnect("closed"), "connection was lost"),
        (pe.OperationFailure("Authentication failed.", 18), "refused the user name or password"),
        (pe.OperationFailure("bad auth", 8000), "refused the user name or password"),
        (pe.OperationFailure("slow", 50), "took too long"),
        (pe.WTimeoutError("late", 64), "majority of its members"),
        (pe.DocumentTooLarge("17 MB"), "16 MB"),
        (pe.ConfigurationError("Server at host reports wire version 5"), "install another version.*wire version 5"),
        (pe.BulkWriteError({"writeErrors": [{"code": 11000}, {"code": 1, "errmsg": "odd"}]}), "refused \\(odd\\)"),
        (OverflowError("MongoDB can only handle up to 8-byte ints"), "can't keep a value.*8-byte"),
    ],
)
def test_each_error_says_what_to_do(error: Exception, why: str) -> None:
    assert re.search(why, explain(error))
