"""Faults of a platform's runs while it is up: killed, without memory, without room on the disk.

The platform must stay up and its API answer. The run must be found dead, and its batch be ingested by another, by
itself.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import psutil
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from benchmarks.faults import shared
from benchmarks.faults.outcome import Outcome
from benchmarks.faults.table import fault
from benchmarks.faults.whole_platform import role
from benchmarks.running_platform import ROOT, RunningPlatform
from parivision_assets.definitions import build
from parivision_assets.orchestration.keys import raw_shots_key, shot_features_key
from parivision_assets.orchestration.partitions import RANGE_END_TAG, RANGE_START_TAG, batches_of
from parivision_core.nba.shots import NBA
from parivision_core.settings import Settings

UP_SECONDS = 400.0
RUN_SECONDS = 120.0
"""Until a run has begun after a file was put into the inbox."""
OVER_SECONDS = 420.0
"""Until all is done: a run that dies before it could say that it has begun is given up after 300 (`dagster.yaml`)."""
FULL_SECONDS = 25.0
PROBE_SECONDS = 0.1
PROBE_TIMEOUT_SECONDS = 15.0
"""MongoDB is given up after 10."""
LIVE, VERDICTS = "/health/live", "/api/v1/verdicts"
SPARE_BYTES = 2**20
"""Memory that a run may take beyond what it has: less than any library that it still imports."""
GAMES, FIRST_SEASON = 60, 2010
FILES = 2
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
    """By routes that read the store, because it can't be read; nothing else may be refused."""


@shared.once
def platform() -> RunningPlatform:
    """A platform that is up and reads its inbox, the same for all of these faults."""
    made: RunningPlatform = shared.until_the_end().enter_context(
        RunningPlatform(shared.scratch() / "runs", PYTHONPATH=str(ROOT), PARIVISION_FEED="inbox")
    )
    assert made.wait_for(lambda: "PariVision is up" in made.output, UP_SECONDS), made.output[-2000:]
    drop(made.home, 0)
    ingested = made.wait_for(lambda: bool(shared.store_of(made.home).manifests()), RUN_SECONDS)
    assert ingested, made.output[-2000:]
    return made


def drop(home: Path, number: int, games: int = GAMES, **more: Any) -> None:
    """Put a file of a season of its own into the inbox; `more` goes to `shots.season`."""
    name, start = f"{number}.csv", f"{FIRST_SEASON + number}-11-01"
    made = shared.season_file(shared.scratch() / name, games=games, seed=number, start=start, **more)
    shutil.copy(made, home / "inbox")


@contextmanager
def probing(
    port: int, paths: Sequence[str] = (LIVE, VERDICTS), body: bytes | None = None, refusal: re.Pattern[bytes] = FULL
) -> Iterator[Probed]:
    """Ask all the time; by default the API whether it lives, and for the verdicts, which are in the store.

    With a body, it is posted. A 503 with the words of `refusal` counts as refused, all else than an answer as failed.
    """
    probed, over = Probed(), threading.Event()

    def ask(path: str) -> None:
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"content-type": "application/json"})
        while not over.wait(PROBE_SECONDS):
            try:
                with urllib.request.urlopen(request, timeout=PROBE_TIMEOUT_SECONDS) as answer:
                    answer.read()
                probed.answered += 1
            except HTTPError as error:
                if error.code == HTTPStatus.SERVICE_UNAVAILABLE and refusal.search(error.read()):
                    probed.refused += 1
                else:
                    probed.failed += 1
            except OSError:
                probed.failed += 1

    threads = [threading.Thread(target=ask, args=[path]) for path in paths]
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


def injected(inject: Callable[[psutil.Process], None], *, full: bool = False) -> Outcome:
    """Put a file into the inbox, inject a fault into its run, and wait until the run failed and the file is in."""
    running = platform()
    store = shared.store_of(running.home)
    with (
        DagsterInstance.from_config(str(running.home / "dagster")) as instance,
        probing(running.ports["API"]) as probed,
    ):

        def runs(status: DagsterRunStatus) -> int:
            return instance.get_runs_count(RunsFilter(statuses=[status]))

        known, batches = runs(DagsterRunStatus.FAILURE), len(store.manifests())
        drop(running.home, batches)
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
    return injected(lambda run: run.kill())


@fault(1, "a run gets no more memory", quick=False)
def without_memory(folder: Path, seed: int) -> Outcome:
    """Allocations of a run fail from some moment on."""

    def limit(run: psutil.Process) -> None:
        most = run.memory_info().vms + SPARE_BYTES
        run.rlimit(psutil.RLIMIT_AS, (most, psutil.RLIM_INFINITY))

    return injected(limit)


@fault(1, "the disk is full under a platform", quick=False)
def without_room(folder: Path, seed: int) -> Outcome:
    """None of its programs can write to a file for a while; then each can again."""

    def fill(run: psutil.Process) -> None:
        for most in (1, psutil.RLIM_INFINITY):
            for process in processes(*LIMITED):
                process.rlimit(psutil.RLIMIT_FSIZE, (most, psutil.RLIM_INFINITY))
            time.sleep(FULL_SECONDS)

    return injected(fill, full=True)


def backfill() -> None:
    """Materialize all batches and the features again, as a backfill by a person does; in a process of its own."""
    definitions, key = build([NBA], Settings.from_env()), raw_shots_key(NBA)
    job = definitions.resolve_implicit_global_asset_job_def()
    with DagsterInstance.get() as instance:
        known = instance.get_dynamic_partitions(str(batches_of(NBA).name))
        tags = {RANGE_START_TAG: known[0], RANGE_END_TAG: known[-1]}
        job.execute_in_process(instance=instance, asset_selection=[key, shot_features_key(NBA)], tags=tags)


BACKFILL = ("-c", "from benchmarks.faults.runs import backfill; backfill()")
REFRESH = ("-m", "parivision_assets.commands.refresh")


@fault(1, "a backfill, two refreshes and a platform's run at once", quick=False)
def at_once(folder: Path, seed: int) -> Outcome:
    """All are offered the same new files, and fold them; the API and the page are asked meanwhile."""
    running = platform()
    store = shared.store_of(running.home)
    batches, ports = len(store.manifests()), running.ports
    with probing(ports["API"]) as probed, probing(ports["UI"], ("/",)) as page:
        for number in range(batches, batches + FILES):
            drop(running.home, number)
        begun = [
            subprocess.Popen(
                [sys.executable, "-m", "deploy.run", sys.executable, *command],
                cwd=ROOT,
                env=running.env,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for command in (BACKFILL, REFRESH, REFRESH)
        ]
        said = [process.communicate()[0] for process in begun]
        ingested = running.wait_for(lambda: len(store.manifests()) >= batches + FILES, OVER_SECONDS)
        folded = running.wait_for(lambda: store.warehouse_state().rows == store.lake(["_id"]).num_rows, OVER_SECONDS)
    codes = [process.returncode for process in begun]
    good = not any(codes) and ingested and folded and probed.answered > 0 and page.answered > 0
    note = "" if good else f"{codes}, ingested {ingested}, folded {folded}, {probed}, {page}: {said}"
    found = shared.balanced(store, GAMES * shared.GAME * (batches + FILES), note=note)
    ids = store.warehouse(["_id"])["_id"].to_pylist()
    failed = probed.failed + probed.refused + page.failed
    return Outcome(found.lost, found.doubled + len(ids) - len(set(ids)), failed, reported=good, note=found.note)
