"""One client for each process and configuration: shared by resources, ops and threads, not by parent and child."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dagster as dg
import pytest
from pymongo.errors import InvalidOperation

from dagster_mongo import MongoResource, close_clients, pools
from tests.dagster_mongo.conftest import PATIENCE_SECONDS, eventually
from tests.helpers.paths import ROOT
from tests.helpers.scripted_server import ScriptedServer

THREADS = 8


def identity(mongo: MongoResource) -> int:
    """The identity of the client; the ping proves that it works."""
    with mongo.get_client() as client:
        client.admin.command("ping")
        return id(client)


def in_fork(function: Callable[[], Any]) -> Any:
    """The result of a function in a forked child, passed as JSON."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # nothing may return into pytest's own code here
        signal.alarm(PATIENCE_SECONDS)  # ends a child that hangs
        try:
            result = function()
        except BaseException as error:
            result = {"error": repr(error)}
        os.write(writing, json.dumps(result).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        result = json.loads(pipe.read())
    os.waitpid(child, 0)
    return result


def use_in_spawned(url: str, queue: multiprocessing.Queue[dict[str, Any]]) -> None:
    """Use a resource in a spawned child."""
    inherited = len(pools._pools.slots)
    queue.put({"pid": os.getpid(), "inherited": inherited, "ok": bool(identity(MongoResource(url=url)))})


def test_resources_ops_and_blocks_share_a_client(proxy: ScriptedServer) -> None:
    seen = []

    @dg.op
    def first(mongo: MongoResource) -> int:
        seen.append(identity(mongo))
        return 1

    @dg.op
    def second(mongo: MongoResource, before: int) -> None:
        seen.append(identity(mongo))

    @dg.job
    def both() -> None:
        second(first())

    for _ in range(2):
        assert both.execute_in_process(resources={"mongo": MongoResource(url=proxy.url)}).success
    seen.append(identity(MongoResource(url=proxy.url)))
    assert len(set(seen)) == 1
    assert proxy.accepted == 2  # one for commands, one that monitors the server


def test_another_configuration_has_another_client(proxy: ScriptedServer) -> None:
    base, with_journal = MongoResource(url=proxy.url), MongoResource(url=proxy.url, journal=True)
    assert identity(base) != identity(with_journal)
    assert identity(base) == identity(MongoResource(url=proxy.url, database="another"))  # a database needs no client


def test_threads_share_a_client_from_the_first_moment(proxy: ScriptedServer) -> None:
    at_once = threading.Barrier(THREADS)

    def ask(_: int) -> int:
        at_once.wait(PATIENCE_SECONDS)
        return identity(MongoResource(url=proxy.url, max_pool_size=3))

    with ThreadPoolExecutor(THREADS) as threads:
        assert len(set(threads.map(ask, range(THREADS)))) == 1
    assert proxy.accepted <= 3 + 1


def test_leaving_the_block_and_closing_leave_it_open(proxy: ScriptedServer) -> None:
    mongo = MongoResource(url=proxy.url)
    with mongo.get_client() as client, client:
        client.admin.command("ping")
    client.close()
    assert client.admin.command("ping")["ok"] == 1
    assert proxy.accepted == 2


def test_close_clients_closes_them_and_the_next_use_opens_anew(proxy: ScriptedServer) -> None:
    mongo = MongoResource(url=proxy.url)
    with mongo.get_client() as client:
        client.admin.command("ping")
    close_clients()
    assert eventually(lambda: proxy.open_connections == 0)
    with pytest.raises(InvalidOperation):
        client.admin.command("ping")
    assert identity(mongo) != id(client)
    close_clients()
    close_clients()  # nothing to close is no error


def test_closing_does_not_wait_for_a_server_that_is_gone() -> None:
    with ScriptedServer(streaming=True) as server:
        mongo = MongoResource(url=f"{server.url}&heartbeatFrequencyMS=500", server_selection_timeout_ms=120_000)
        with mongo.get_client() as client:
            client.admin.command("ping")
            server.stop()
            assert eventually(
                lambda: client.topology_description.server_descriptions()[server.address].error is not None
            )
    start = time.monotonic()
    close_clients()  # wants to end its session
    assert time.monotonic() - start < PATIENCE_SECONDS


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_has_its_own_client(proxy: ScriptedServer) -> None:
    mongo = MongoResource(url=proxy.url)
    with mongo.get_client() as parents:
        parents.admin.command("ping")
    before = proxy.accepted

    def ask() -> dict[str, Any]:
        inherited = len(pools._pools.slots)
        with mongo.get_client() as client:
            client.admin.command({"ping": 1, "comment": "child"})
            ours = client is not parents
        close_clients()  # closes none of the parent's
        return {"inherited": inherited, "ours": ours}

    assert in_fork(ask) == {"inherited": 0, "ours": True}
    assert proxy.accepted == before + 2
    by_child = {c.connection for c in proxy.commands if c.document.get("comment") == "child"}
    assert min(by_child) > before  # not over a connection of the parent's
    assert identity(mongo) == id(parents)
    assert proxy.accepted == before + 2  # the parent's connections are as they were


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_while_another_thread_holds_the_lock(proxy: ScriptedServer) -> None:
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with pools._pools.lock:
            held.set()
            release.wait(PATIENCE_SECONDS)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(PATIENCE_SECONDS)
    try:
        assert in_fork(lambda: identity(MongoResource(url=proxy.url)) != 0) is True
    finally:
        release.set()
        thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_that_drops_its_parents_clients_warns_of_nothing(proxy: ScriptedServer) -> None:
    def ask() -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            gc.collect()
        return [str(each.message) for each in caught if "MongoClient" in str(each.message)]

    gc.collect()
    gc.freeze()  # garbage of other tests, when collected, may wait for threads that a child doesn't have
    try:
        identity(MongoResource(url=proxy.url))
        assert in_fork(ask) == []
    finally:
        gc.unfreeze()


def test_a_spawned_child_has_its_own_client(proxy: ScriptedServer) -> None:
    identity(MongoResource(url=proxy.url))
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=use_in_spawned, args=(proxy.url, queue))
    child.start()
    answer = queue.get(timeout=60)
    child.join(60)
    assert answer == {"pid": child.pid, "inherited": 0, "ok": True}
    assert child.exitcode == 0


def test_the_end_of_a_process_closes_its_clients(proxy: ScriptedServer) -> None:
    code = f"""
from dagster_mongo import MongoResource
with MongoResource(url={proxy.url!r}).get_database("any") as database:
    database["thing"].find_one()
print("done", flush=True)
"""
    strict = [sys.executable, "-W", "error::ResourceWarning", "-c", code]
    root = ROOT
    done = subprocess.run(strict, capture_output=True, text=True, check=True, cwd=root, timeout=60)
    assert (done.stdout, done.stderr) == ("done\n", "")
    assert "endSessions" in proxy.names()  # the client was closed
