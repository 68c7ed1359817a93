"""Faults of a platform's runs while it is up: killed, without memory, without room on the disk.

The platform must stay up and its API answer. The run must be found dead, and its batch be ingested by another, by
itself.
"""

from __future__ import annotations

import re
import shutil
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError

import psutil
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from benchmarks.faults import shared
from benchmarks.faults.outcome import Outcome
from benchmarks.faults.table import fault
from benchmarks.faults.whole_platform import role
from benchmarks.running_platform import ROOT, RunningPlatform

UP_SECONDS = 400.0
RUN_SECONDS = 120.0
"""Until a run has begun after a file was put into the inbox."""
OVER_SECONDS = 420.0
"""Until all is done: a run that dies before it could say that it has begun is given up after 300 (`dagster.yaml`)."""
FULL_SECONDS = 25.0
PROBE_SECONDS = 0.1
SPARE_BYTES = 2**20
"""Memory that a run may take beyond what it has: less than any library that it still imports."""
GAMES = 60
FULL = re.compile(rb"can't be read or written: .*; free some space")
"""How the API refuses to read the store while the disk is full."""
LIMITED = ("API", "page", "MLflow", "MLflow's worker", "code server", "webserver", "daemon", "run")
"""Processes that find the disk full; the launcher and its watchdog write nothing."""


@dataclass
class Probed:
    """Requests to the API while a fault was injected."""

    failed: int = 0
    answered: int = 0
    refused: int = 0
    """By routes that read the store, because the disk is full; nothing else may be refused."""


@shared.once
def platform() -> RunningPlatform:
    """A platform that is up and reads its inbox, the same for all of these faults."""
    made: RunningPlatform = shared.until_the_end().enter_context(
        RunningPlatform(shared.scratch() / "runs", PYTHONPATH=str(ROOT), PARIVISION_FEED="inbox")
    )
    assert made.wait_for(lambda: "PariVision is up" in made.output, UP_SECONDS), made.output[-2000:]
    return made


@contextmanager
def probing(port: int) -> Iterator[Probed]:
    """Ask the API all the time whether it lives, and for the verdicts, which are in the store."""
    probed, over = Probed(), threading.Event()

    def ask(path: str) -> None:
        while not over.wait(PROBE_SECONDS):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                    answer.read()
                probed.answered += 1
            except HTTPError as error:
                if error.code == HTTPStatus.SERVICE_UNAVAILABLE and FULL.search(error.read()):
                    probed.refused += 1
                else:
                    probed.failed += 1
            except OSError:
                probed.failed += 1

    threads = [threading.Thread(target=ask, args=[path]) for path in ("/health/live", "/api/v1/verdicts")]
    for thread in threads:
        thread.start()
    try:
        yield probed
    finally:
        over.set()
        for thread in threads:
            thread.join()


def processes(*names: str) -> list[psutil.Process]:
    """The platform's processes with these roles."""
    running = platform()
    return [process for process in running.processes() if role(process, running.launcher.pid) in names]


def injected(folder: Path, inject: Callable[[psutil.Process], None], *, full: bool = False) -> Outcome:
    """Put a file into the inbox, inject a fault into its run, and wait until the run failed and the file is in."""
    running = platform()
    inbox, store = running.home / "inbox", shared.store_of(running.home)
    with (
        DagsterInstance.from_config(str(running.home / "dagster")) as instance,
        probing(running.ports["API"]) as probed,
    ):

        def runs(status: DagsterRunStatus) -> int:
            return instance.get_runs_count(RunsFilter(statuses=[status]))

        known, batches = runs(DagsterRunStatus.FAILURE), len(store.manifests())
        made = shared.season_file(folder / f"{batches}.csv", games=GAMES, seed=batches, start=f"20{batches + 10}-11-01")
        shutil.copy(made, inbox)
        begun = running.wait_for(lambda: bool(runs(DagsterRunStatus.STARTED)) and bool(processes("run")), RUN_SECONDS)
        assert begun, running.output[-2000:]
        inject(processes("run")[0])
        noticed = running.wait_for(lambda: runs(DagsterRunStatus.FAILURE) > known, OVER_SECONDS)
        ingested = running.wait_for(lambda: len(store.manifests()) > batches, OVER_SECONDS)
        up = running.wait_for(lambda: not runs(DagsterRunStatus.STARTED), OVER_SECONDS)
    good = noticed and ingested and up and probed.answered > 0
    note = "" if good else f"noticed {noticed}, ingested {ingested}, up {up}, {probed}: {running.output[-1500:]}"
    found = shared.balanced(store, GAMES * shared.GAME * (batches + 1), note=note)
    failed = probed.failed + (0 if full else probed.refused)
    return Outcome(found.lost, found.doubled, failed, reported=good, note=found.note)


@fault(2, "kill -9 of a run's process", quick=False)
def killed(folder: Path, seed: int) -> Outcome:
    """As the system does when memory is short."""
    return injected(folder, lambda run: run.kill())


@fault(1, "a run gets no more memory", quick=False)
def without_memory(folder: Path, seed: int) -> Outcome:
    """Allocations of a run fail from some moment on."""

    def limit(run: psutil.Process) -> None:
        most = run.memory_info().vms + SPARE_BYTES
        run.rlimit(psutil.RLIMIT_AS, (most, psutil.RLIM_INFINITY))

    return injected(folder, limit)


@fault(1, "the disk is full under a platform", quick=False)
def without_room(folder: Path, seed: int) -> Outcome:
    """None of its programs can write to a file for a while; then each can again."""

    def fill(run: psutil.Process) -> None:
        for most in (1, psutil.RLIM_INFINITY):
            for process in processes(*LIMITED):
                process.rlimit(psutil.RLIMIT_FSIZE, (most, psutil.RLIM_INFINITY))
            time.sleep(FULL_SECONDS)

    return injected(folder, fill, full=True)
