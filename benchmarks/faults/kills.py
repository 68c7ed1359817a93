"""SIGKILL at each write of a commit, a publication, the prediction log and VirtualBets' state; and rivals for one lock.

After each, what was there before is still there, and the next attempt does the work once and completely.
"""

from __future__ import annotations

import signal
from pathlib import Path

import msgspec

from benchmarks.faults import shared
from benchmarks.faults.dying import NEVER, Job, place_of, worker
from benchmarks.faults.interrupted import NEW, NEW_ROWS, WORK, Interrupted, with_new_file, with_new_shots
from benchmarks.faults.outcome import Outcome
from benchmarks.faults.table import Inject, fault
from parivision_core.store.base import INGEST
from tests.helpers.mongo_server import MongoServer
from tests.helpers.prediction_logs import opened as opened_log
from tests.helpers.stores import Place, opened

KILLED = -signal.SIGKILL
ALL_ROWS = shared.FILLED_ROWS + NEW_ROWS


def killed(work: Interrupted) -> Inject:
    """Kill the work at one of its writes, look, and do it again."""

    def inject(folder: Path, seed: int) -> Outcome:
        writes, whole = work.whole(folder.parent)
        assert work.writes <= writes, f"{work.job} has {writes} writes"
        die_at = seed * (writes - 1) // (work.writes - 1)
        home, argument = work.prepared(folder)
        before = work.found(home)
        job = Job(work=work.job, place=place_of(home), argument=argument, die_at=die_at)
        (died,) = worker().do(job)
        between = work.found(home)
        half = between not in (before, whole)
        (again,) = worker().do(msgspec.structs.replace(job, die_at=NEVER)) if between != whole else (died,)
        after = work.found(home)
        done = died.code == KILLED and again.error == "" and after == whole
        note = "" if done and not half else f"at {die_at} of {writes}: {died} {again}"
        lost = half * max(1, shared.missing(before, between)) + shared.missing(whole, after)
        return Outcome(lost, shared.twice(whole, after), reported=done, note=note)

    return inject


for _words, _work in WORK.items():
    fault(_work.writes, f"kill -9 at a write of {_words}")(killed(_work))


@fault(3)
def a_lock_is_held_by_a_process_that_was_killed(folder: Path, seed: int) -> Outcome:
    """The next one gets it at once."""
    home, inbox = with_new_file(folder)
    (held,) = worker().do(Job(work="hold", place=place_of(home)))
    store = shared.store_of(home)
    with store.exclusive(INGEST, wait_seconds=0):
        pass
    shared.ingest_all(Path(inbox), store)
    return shared.balanced(store, ALL_ROWS, reported=held.code == KILLED)


@fault(5)
def two_processes_are_offered_the_same_batch_at_once(folder: Path, seed: int) -> Outcome:
    """One commits it, the other finds it committed."""
    home, inbox = with_new_file(folder)
    job = Job(work="commit", place=place_of(home), argument=inbox)
    results = worker().do(job, job)
    done = all(result.code == 0 for result in results)
    return shared.balanced(shared.store_of(home), ALL_ROWS, reported=done, note="" if done else str(results))


@fault(5)
def two_processes_publish_the_warehouse_at_once(folder: Path, seed: int) -> Outcome:
    """Both end well, and the warehouse is that of one."""
    home, _ = with_new_shots(folder)
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
    return shared.balanced(store, NEW_ROWS, reported=done, note="" if done else f"{half} {died} {again}")


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
