"""The disk is full or can't be written, the clock jumps back, the state folder is moved."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec

from benchmarks.faults import shared
from benchmarks.faults.dying import NEVER, WRITABLE, Job, Result, place_of, worker
from benchmarks.faults.interrupted import NEW_ROWS, WORK, Interrupted, with_new_file
from benchmarks.faults.outcome import Outcome
from benchmarks.faults.table import Inject, fault
from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.steps.feed.ingesting import ingest
from parivision_assets.tracking.databases import ADDRESSES, follow_artifacts
from parivision_core.nba.shots import NBA
from parivision_core.prediction_log.ids import new_id
from parivision_core.prediction_log.sqlite import SqlitePredictionLog
from parivision_core.problems import PariVisionError
from parivision_core.settings import Settings
from tests.helpers.prediction_logs import one

SMALLEST = 100
"""Bytes that a file may have in the first try of a full disk; each further try allows five times as many."""
TIMES = 4


def full(work: Interrupted) -> Inject:
    """Files can't grow beyond a limit, which stands for the disk; then they can, and the work is done again."""

    def inject(folder: Path, seed: int) -> Outcome:
        home, argument = work.prepared(folder)
        before = work.found(home)
        job = Job(work=work.job, place=place_of(home), argument=argument, largest=SMALLEST * 5**seed)
        (refused,) = worker().do(job)
        while not refused.error and job.largest:  # it had room enough
            home, argument = work.prepared(folder / str(job.largest))
            job.place, job.argument, job.largest = place_of(home), argument, job.largest // 2
            (refused,) = worker().do(job)
        return _done_again(work, home, before, msgspec.structs.replace(job, largest=NEVER), refused)

    return inject


def read_only(work: Interrupted) -> Inject:
    """The state folder can't be written; then it can, and the work is done again."""

    def inject(folder: Path, seed: int) -> Outcome:
        home, argument = work.prepared(folder)
        before = work.found(home)
        job = Job(work=work.job, place=place_of(home), argument=argument, read_only=str(home))
        (refused,) = worker().do(job)
        for path in (home, *home.rglob("*")):
            path.chmod(WRITABLE)
        return _done_again(work, home, before, msgspec.structs.replace(job, read_only=""), refused)

    return inject


def _done_again(work: Interrupted, home: Path, before: list[Any], job: Job, refused: Result) -> Outcome:
    """The outcome after the first try was refused: nothing is half done, and the second try does all."""
    between = work.found(home)
    (again,) = worker().do(job)
    whole, after = work.whole(home.parents[1])[1], work.found(home)
    reported = any(part in refused.error for part in (str(home), "disk")) and again.code == 0 and after == whole
    lost = shared.missing(before, between) + shared.missing(whole, after)
    note = "" if reported and not lost else f"{refused} {again}"
    return Outcome(lost, shared.twice(whole, after), reported=reported, note=note)


for _words, _work in WORK.items():
    fault(TIMES, f"the disk is full: {_words}")(full(_work))


@fault(len(WORK), "the state folder can't be written")
def the_folder_is_read_only(folder: Path, seed: int) -> Outcome:
    """Each kind of work once."""
    return read_only(list(WORK.values())[seed])(folder, seed)


@fault(3)
def the_clock_jumps_back_between_predictions(folder: Path, seed: int) -> Outcome:
    """Ids still ascend, so that both are kept and listed in their order."""
    log, now = SqlitePredictionLog(folder / "log.sqlite"), time.time_ns()
    first = [one(id=new_id()) for _ in range(3)]
    log.append(first)
    with mock.patch("time.time_ns", lambda: now - 10**9 * 60**seed):
        second = [one(id=new_id()) for _ in range(3)]
        log.append(second)
    found = [call.id for call in log.calls(limit=100)]
    log.close()
    wanted = [call.id for call in reversed(first + second)]
    return Outcome(len(set(wanted) - set(found)), len(found) - len(set(found)), reported=found == wanted)


@fault(3)
def the_clock_jumps_back_before_a_look_into_the_inbox(folder: Path, seed: int) -> Outcome:
    """A file that seems to be of the future doesn't wait for ever."""
    inbox, store = shared.season_file(folder / "inbox" / "a.csv", seed=seed).parent, shared.store_of(folder)
    now = time.time()
    with mock.patch("time.time", lambda: now - 3600.0 * (seed + 1)):
        offered = InboxFeed(inbox, settle_seconds=3).batches()
        for batch in offered:
            ingest(batch, NBA, store)
    return shared.balanced(store, shared.GAME, reported=len(offered) == 1)


@fault(2)
def the_state_folder_is_moved(folder: Path, seed: int) -> Outcome:
    """All is read there as before, MLflow's addresses of artifacts follow, and the next batch comes in."""
    home, _ = with_new_file(folder)
    settings = Settings(home=home).resolved()
    settings.artifacts.mkdir(parents=True)
    before = shared.read_store(home) + shared.read_log(home) + shared.read_state(home)
    with closing(sqlite3.connect(home / "mlflow" / "mlflow.db")) as db, db:
        for table, columns in ADDRESSES.items():
            db.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
            address = settings.artifacts.as_uri() + ("" if table == "experiments" else "/1/bundle")
            db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})", [address] * len(columns))
    moved = home.rename(folder / f"a place {seed} %")
    followed = follow_artifacts(Settings(home=moved).resolved())
    after = shared.read_store(moved) + shared.read_log(moved) + shared.read_state(moved)
    lost, twice = shared.missing(before, after), shared.twice(before, after)
    shared.ingest_all(moved / "inbox", store := shared.store_of(moved))
    rows = shared.balanced(store, shared.FILLED_ROWS + NEW_ROWS)
    reported = followed == sum(map(len, ADDRESSES.values()))
    return Outcome(lost + rows.lost, twice + rows.doubled, reported=reported, note=f"{followed}" * (not reported))


@fault(1)
def a_file_is_in_the_place_of_a_folder_of_the_store(folder: Path, seed: int) -> Outcome:
    """The commit is refused and names it; afterwards it succeeds."""
    home, _ = with_new_file(folder)
    lake = home / "store" / NBA.name / NBA.lake
    lake.rename(home / "away")
    lake.write_text("in the way")
    store, said = shared.store_of(home), ""
    try:
        shared.ingest_all(home / "inbox", store)
    except PariVisionError as error:
        said = str(error)
    lake.unlink()
    (home / "away").rename(lake)
    shared.ingest_all(home / "inbox", store)
    return shared.balanced(
        store, shared.FILLED_ROWS + NEW_ROWS, reported=str(lake) in said, note="" if said else "silent"
    )
