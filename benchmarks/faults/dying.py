"""Processes that do one piece of work and kill themselves at the n-th write, or find the disk full: see `Worker`."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.faults import shared
from benchmarks.running_platform import ROOT
from parivision_assets.steps.features.folding import update_warehouse
from parivision_core.nba.shots import NBA
from parivision_core.prediction_log.base import Call, Outcome
from parivision_core.prediction_log.sqlite import SqlitePredictionLog
from parivision_core.problems import PariVisionError
from parivision_core.store.base import INGEST
from parivision_core.store.mongo import documents, lease
from parivision_serving.virtual_bets.clock import State, StateFile
from tests.helpers.batches import verdict
from tests.helpers.prediction_logs import opened as opened_log
from tests.helpers.stores import Place, opened
from tests.helpers.writes import WatchMongo, watch_files

NEVER = -1
NOBODY = 65534
"""A user without rights."""
READABLE, EXECUTABLE, WRITABLE = 0o555, 0o111, 0o755
LEASE_SECONDS = 0.5
"""After which the lock of a killed process falls to others on MongoDB, in place of 30."""

Work = Callable[[Place, str], Callable[[], Any]]
"""Prepares in a place, with an argument, and returns what is to be interrupted."""


def place_of(home: Path) -> Place:
    """The embedded store of a state folder."""
    return {"kind": "files", "folder": str(home / "store" / NBA.name), "home": str(home)}


def _commit(place: Place, inbox: str) -> Callable[[], Any]:
    store = opened(place)
    store.manifests()  # what a new store needs is made before
    return lambda: shared.ingest_all(Path(inbox), store)


def _publish(place: Place, _: str) -> Callable[[], Any]:
    store = opened(place)
    store.manifests()
    return lambda: update_warehouse(store, NBA)


def _verdict(place: Place, _: str) -> Callable[[], Any]:
    store = opened(place)
    return lambda: store.put_verdict(verdict(candidate=2))


def _log(place: Place, calls: str) -> Callable[[], Any]:
    log = SqlitePredictionLog(shared.log_file(Path(place["home"]))) if "home" in place else opened_log(place)
    decoded = msgspec.json.decode(calls, type=list[Call])
    log.awaited_days()
    return lambda: log.append(decoded)


def _outcomes(place: Place, name: str) -> Callable[[], Any]:
    log = SqlitePredictionLog(shared.log_file(Path(place["home"])))
    log.awaited_days()
    return lambda: log.put_outcomes({name: Outcome(made=True, source="lake", reported_at=7)})


def _state(place: Place, _: str) -> Callable[[], Any]:
    file = StateFile(Path(place["home"]) / "virtual_bets")
    file.load(shared.SOURCE)
    return lambda: file.save(State(source=shared.SOURCE, days=9, batch=4, counter=60, served=60))


def _hold(place: Place, _: str) -> Callable[[], Any]:
    store = opened(place)

    def hold() -> None:
        with store.exclusive(INGEST):
            os.kill(os.getpid(), signal.SIGKILL)

    return hold


WORK: dict[str, Work] = {
    "commit": _commit,
    "publish": _publish,
    "verdict": _verdict,
    "log": _log,
    "outcomes": _outcomes,
    "state": _state,
    "hold": _hold,
}


class Job(msgspec.Struct, kw_only=True):
    """What a process of its own shall do."""

    work: str
    place: Place
    argument: str = ""
    die_at: int = NEVER
    """Number of the write before which it is killed."""
    largest: int = NEVER
    """Bytes that a file may have: a limit that stands for a full disk."""
    read_only: str = ""
    """A folder that can't be written."""


class Result(msgspec.Struct):
    """What became of a job."""

    code: int
    """Exit code, the negative signal where one has killed it."""
    writes: int
    error: str
    """The error that it has reported."""


class Worker:
    """A process that forks a child for each job: imports would take most of the time."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "benchmarks.faults.dying"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
        )

    def do(self, *jobs: Job) -> list[Result]:
        """Do jobs at the same time."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(jobs) + b"\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._process.stdout.readline(), type=list[Result])

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


@shared.once
def worker() -> Worker:
    """The process that does all jobs."""
    made: Worker = shared.until_the_end().enter_context(Worker())
    return made


def _do(job: Job) -> Result:
    """In the child: do the job, and die where it says."""
    writes, prepared = 0, False

    def count() -> None:
        nonlocal writes
        if prepared and writes == job.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        writes += prepared

    lease.LEASE_SECONDS = LEASE_SECONDS
    documents.PIECE = 50  # so that few shots take several writes
    from pymongo import monitoring  # noqa: PLC0415 - in the child alone, before its clients are made

    monitoring.register(WatchMongo(count))
    watch_files(count)
    if job.read_only:
        _forbid(Path(job.read_only))
    try:
        work = WORK[job.work](job.place, job.argument)
        prepared = True
        if job.largest != NEVER:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (job.largest, resource.RLIM_INFINITY))
        work()
    except PariVisionError as error:
        return Result(1, writes, str(error))
    return Result(0, writes, "")


def _forbid(folder: Path) -> None:
    """Take the right to write from a folder, and from a superuser, whom it doesn't bind, that privilege."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(READABLE if path.is_dir() else READABLE & ~EXECUTABLE)
    if os.geteuid() == 0:
        os.seteuid(NOBODY)


def _forked(job: Job) -> tuple[int, int]:
    """Process id, and the descriptor from which its result can be read."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writable, msgspec.json.encode(_do(job)))
        except BaseException as error:
            os.write(writable, msgspec.json.encode(Result(2, 0, repr(error))))
        os._exit(0)
    os.close(writable)
    return child, readable


def main() -> None:
    """Answer each line, a list of jobs, with their results."""
    import pandas  # noqa: F401, PLC0415 - imported before the forks
    import pyarrow.parquet  # noqa: F401, PLC0415

    from parivision_assets.steps.feed import cleaning, identity  # noqa: F401, PLC0415

    for line in sys.stdin.buffer:
        children = [_forked(job) for job in msgspec.json.decode(line, type=list[Job])]
        results = []
        for child, readable in children:
            with os.fdopen(readable, "rb") as pipe:
                answer = pipe.read()
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            results.append(msgspec.json.decode(answer, type=Result) if answer else Result(code, 0, ""))
        print(json.dumps(msgspec.to_builtins(results)), flush=True)


if __name__ == "__main__":
    main()
