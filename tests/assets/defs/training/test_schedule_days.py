"""The morning's training by Dagster's own scheduler: once a day, also when the clock changes or is set."""

from __future__ import annotations

import datetime as dt
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.storage.tags import SCHEDULED_EXECUTION_TIME_TAG
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._scheduler.scheduler import ScheduleIterationTimes, launch_scheduled_runs

from parivision_assets.defs.training import sensors
from parivision_assets.defs.training.sensors import REASON_TAG, TIMEZONE, build_schedule
from parivision_assets.resources import FileStoreResource, RegistryResource
from parivision_core.nba.shots import NBA
from parivision_core.problems import StoreError

PARIS = ZoneInfo(TIMEZONE)
DAY, BETWEEN_LOOKS = dt.timedelta(days=1), dt.timedelta(hours=3)


@dg.job(name="refresh")
def refresh() -> None:
    """Stands for the job, whose runs stay in the queue here."""


defs = dg.Definitions(
    jobs=[refresh],
    schedules=[build_schedule(NBA)],
    resources={"store": FileStoreResource(home="absent"), "registry": RegistryResource(tracking_uri="")},
)


class Scheduler:
    """Dagster's scheduler with a clock that a test sets."""

    def __init__(self, context: WorkspaceProcessContext) -> None:
        self._context = context
        self._times: dict[str, ScheduleIterationTimes] = {}

    def live(self, start: dt.datetime, days: float = 1) -> None:
        """Let so many days pass from an aware time on, and the scheduler look now and then."""
        for look in range(int(days * DAY / BETWEEN_LOOKS) + 1):
            now = start.astimezone(dt.UTC) + look * BETWEEN_LOOKS
            list(launch_scheduled_runs(self._context, logging.getLogger("test"), now, self._times))

    def fired(self) -> list[dt.datetime]:
        """When runs were scheduled, in the order of their requests, as clocks in Paris show it."""
        runs = self._context.instance.get_runs()[::-1]
        return [dt.datetime.fromisoformat(run.tags[SCHEDULED_EXECUTION_TIME_TAG]).astimezone(PARIS) for run in runs]


@pytest.fixture
def scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scheduler]:
    monkeypatch.setattr(sensors, "evidence_of", lambda *_: None)
    monkeypatch.setattr(sensors, "reason_to_train", lambda *_, **__: "shots are new")
    monkeypatch.setattr(sensors, "newest_run", lambda *_: None)
    queue = {"module": "dagster.core.run_coordinator", "class": "QueuedRunCoordinator"}
    origin = InProcessCodeLocationOrigin(
        LoadableTargetOrigin(executable_path=sys.executable, python_file=__file__, attribute="defs")
    )
    target = InProcessWorkspaceLoadTarget(origin)
    with (
        dg.DagsterInstance.local_temp(str(tmp_path), overrides={"run_coordinator": queue}) as instance,
        create_test_daemon_workspace_context(target, instance) as context,
    ):
        yield Scheduler(context)


@pytest.mark.parametrize("changes", [dt.date(2027, 3, 28), dt.date(2026, 10, 25)])
def test_it_runs_once_on_the_days_of_both_changes(scheduler: Scheduler, changes: dt.date) -> None:
    scheduler.live(dt.datetime.combine(changes - DAY, dt.time(12), PARIS), days=2)
    assert scheduler.fired() == [dt.datetime.combine(day, dt.time(5), PARIS) for day in (changes, changes + DAY)]


def test_a_clock_that_is_set_back_or_forward_a_day_repeats_no_morning(scheduler: Scheduler) -> None:
    """Set forward a day, its morning is made up for at once; set back, the next is the first that hasn't been."""
    noon = dt.datetime(2026, 6, 1, 12, tzinfo=PARIS)
    scheduler.live(noon)
    scheduler.live(noon, days=2)  # the clock was set back
    scheduler.live(noon + 3 * DAY)  # and then forward
    assert [at.day for at in scheduler.fired()] == [2, 3, 4, 5]


def test_a_store_that_is_down_at_five_costs_no_morning(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster doesn't repeat a tick that failed, but the run that fails is repeated."""

    def down(*_: object) -> None:
        raise StoreError("MongoDB can't be reached")

    monkeypatch.setattr(sensors, "evidence_of", down)
    scheduler.live(dt.datetime(2026, 6, 1, 4, tzinfo=PARIS), days=0.2)
    (run,) = scheduler._context.instance.get_runs()
    assert run.tags[REASON_TAG] == "whether shots are new isn't known: MongoDB can't be reached"
