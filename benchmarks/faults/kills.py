"""SIGKILL at each write of a commit, a publication, the prediction log and VirtualBets' state; and rivals for one lock.

After each, what was there before is still there, and the next attempt does the work once and completely.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from benchmarks.faults import shared
from benchmarks.faults.dying import NEVER, Job, place_of, worker
from benchmarks.faults.outcome import Outcome
from benchmarks.faults.table import Inject, fault
from parivision_core.store.base import INGEST
from tests.helpers.mongo_server import MongoServer
from tests.helpers.prediction_logs import one
from tests.helpers.prediction_logs import opened as opened_log
from tests.helpers.stores import Place, opened

KILLED = -signal.SIGKILL
INGESTED_AT = "ingested_at"
ALL_ROWS = shared.FILLED_ROWS + 120
"""Those of the filled state and of the new file."""
NEW = [one(request={"x": 5, "y": n}) for n in range(4)]
"""Calls that are appended to the filled state's prediction log."""


def _with_new_file(folder: Path) -> tuple[Path, str]:
    """A state folder, and an inbox with a file that its store doesn't hold."""
    home = shared.copied(folder)
    shared.season_file(home / "inbox" / "new.csv", games=2, seed=5, start="2022-11-20")
    return home, str(home / "inbox")


def _with_new_shots(folder: Path) -> tuple[Path, str]:
    """A state folder with committed shots that aren't folded yet."""
    home, inbox = _with_new_file(folder)
    shared.ingest_all(Path(inbox), shared.store_of(home))
    return home, ""


def _as_it_is(folder: Path) -> tuple[Path, str]:
    return shared.copied(folder), ""


def _with_new_calls(folder: Path) -> tuple[Path, str]:
    return shared.copied(folder), msgspec.json.encode(NEW).decode()


def _with_an_outcome(folder: Path) -> tuple[Path, str]:
    return shared.copied(folder), shared.calls()[-1].id


Prepared = Callable[[Path], tuple[Path, str]]
WORK: dict[str, tuple[str, int, Prepared, Callable[[Path], list[Any]]]] = {
    "a commit": ("commit", 10, _with_new_file, shared.read_store),
    "a publication": ("publish", 10, _with_new_shots, shared.read_store),
    "a verdict": ("verdict", 4, _as_it_is, shared.read_store),
    "an append to the prediction log": ("log", 6, _with_new_calls, shared.read_log),
    "an outcome": ("outcomes", 6, _with_an_outcome, shared.read_log),
    "VirtualBets' state": ("state", 3, _as_it_is, shared.read_state),
}
"""What is interrupted -> the job, at how many of its writes, what it begins with, and what is read afterwards."""


def killed(work: str, times: int, prepared: Prepared, read: Callable[[Path], list[Any]]) -> Inject:
    """Kill the job at one of its writes, look, and do it again."""

    @cache
    def complete(folder: Path) -> tuple[int, list[Any]]:
        """The number of writes of a whole job, and what is read after it."""
        home, argument = prepared(folder / "whole")
        (result,) = worker().do(Job(work=work, place=place_of(home), argument=argument))
        assert result.code == 0, result.error
        return result.writes, comparable(read(home))

    def inject(folder: Path, seed: int) -> Outcome:
        writes, whole = complete(folder.parent / f"whole-{work}")
        assert times <= writes, f"{work} has {writes} writes"
        die_at = seed * (writes - 1) // max(times - 1, 1)
        home, argument = prepared(folder)
        before = comparable(read(home))
        job = Job(work=work, place=place_of(home), argument=argument, die_at=die_at)
        (died,) = worker().do(job)
        between = comparable(read(home))
        half = between not in (before, whole)
        (again,) = worker().do(msgspec.structs.replace(job, die_at=NEVER)) if between != whole else (died,)
        after = comparable(read(home))
        complete_again = died.code == KILLED and again.error == ""
        note = "" if complete_again and not half and after == whole else f"at {die_at} of {writes}: {died} {again}"
        lost = shared.missing(before, between) if half else 0
        return Outcome(
            lost + shared.missing(whole, after), shared.twice(whole, after), reported=complete_again, note=note
        )

    return inject


def comparable(found: list[Any]) -> list[Any]:
    """The same without what may differ: times of commits, numbers of attempts, moments of ingest, and the order."""
    return [_comparable(value) for value in found]


def _comparable(value: Any) -> Any:
    if isinstance(value, list):
        return sorted(map(_blank, value), key=repr)
    if isinstance(value, pa.Table) and INGESTED_AT in value.column_names:
        return value.drop_columns([INGESTED_AT])
    return value


def _blank(item: Any) -> Any:
    names = {"committed_at": 0, "attempt": 1, "judged_at": 0}
    known = {name: blank for name, blank in names.items() if hasattr(item, name)}
    return msgspec.structs.replace(item, **known) if known else item


for _words, (_work, _times, _prepared, _read) in WORK.items():
    fault(_times, f"kill -9 at a write of {_words}")(killed(_work, _times, _prepared, _read))


@fault(3)
def a_lock_is_held_by_a_process_that_was_killed(folder: Path, seed: int) -> Outcome:
    """The next one gets it at once."""
    home, inbox = _with_new_file(folder)
    (held,) = worker().do(Job(work="hold", place=place_of(home)))
    store = shared.store_of(home)
    with store.exclusive(INGEST, wait_seconds=0):
        pass
    shared.ingest_all(Path(inbox), store)
    return shared.balanced(store, ALL_ROWS, reported=held.code == KILLED)


@fault(5)
def two_processes_are_offered_the_same_batch_at_once(folder: Path, seed: int) -> Outcome:
    """One commits it, the other finds it committed."""
    home, inbox = _with_new_file(folder)
    job = Job(work="commit", place=place_of(home), argument=inbox)
    results = worker().do(job, job)
    done = all(result.code == 0 for result in results)
    return shared.balanced(shared.store_of(home), ALL_ROWS, reported=done, note="" if done else str(results))


@fault(5)
def two_processes_publish_the_warehouse_at_once(folder: Path, seed: int) -> Outcome:
    """Both end well, and the warehouse is that of one."""
    home, _ = _with_new_shots(folder)
    job = Job(work="publish", place=place_of(home))
    results = worker().do(job, job)
    store = shared.store_of(home)
    ids, lake = (table["_id"].to_pylist() for table in (store.warehouse(["_id"]), store.lake(["_id"])))
    done = all(result.code == 0 for result in results)
    lost, twice = len(set(lake) - set(ids)), len(ids) - len(set(ids))
    return Outcome(lost, twice, reported=done, note="" if done else str(results))


@shared.once
def mongo() -> str:
    """Address of a MongoDB that is started for this run."""
    server = MongoServer(shared.scratch() / "mongo").start()
    shared.until_the_end().callback(server.stop)
    return server.url


def on_mongo(name: str, work: str, argument: str) -> tuple[Place, Job]:
    """A place of its own on MongoDB, and a job in it."""
    place = {"kind": "mongo", "url": mongo(), "database": name}
    return place, Job(work=work, place=place, argument=argument)


@fault(10, "kill -9 at a write of a commit on MongoDB", quick=False)
def commit_on_mongo(folder: Path, seed: int) -> Outcome:
    """As on files; the lock of the killed process falls to others after a while."""
    inbox = shared.season_file(folder / "inbox" / "a.csv", games=2).parent
    _, whole = on_mongo(f"whole_{folder.parent.name[-6:]}_{seed}", "commit", str(inbox))
    place, job = on_mongo(f"killed_{folder.parent.name[-6:]}_{seed}", "commit", str(inbox))
    (complete,) = worker().do(whole)
    (died,) = worker().do(msgspec.structs.replace(job, die_at=seed * (complete.writes - 1) // 9))
    store = opened(place)
    half = 0 if store.manifests() else store.lake().num_rows + len(store.quarantine())
    (again,) = worker().do(job)
    done = died.code == KILLED and again.code == 0 and not half
    return shared.balanced(store, 120, reported=done, note="" if done else f"{half} {died} {again}")


@fault(5, "kill -9 at a write of the prediction log on MongoDB", quick=False)
def log_on_mongo(folder: Path, seed: int) -> Outcome:
    """A repeated append completes it."""
    place, job = on_mongo(f"log_{folder.parent.name[-6:]}_{seed}", "log", msgspec.json.encode(NEW).decode())
    _, other = on_mongo(f"log_whole_{folder.parent.name[-6:]}_{seed}", "log", job.argument)
    (complete,) = worker().do(other)
    (died,) = worker().do(msgspec.structs.replace(job, die_at=seed % complete.writes))
    (again,) = worker().do(job)
    found = [call.id for call in opened_log(place).calls(limit=100)]
    wanted = {call.id for call in NEW}
    done = died.code == KILLED and again.code == 0
    note = "" if done else f"{died} {again}"
    return Outcome(len(wanted - set(found)), len(found) - len(set(found)), reported=done, note=note)
