"""When a sensor may ask for a run again: not beside another, not in vain, and not at once after a failure."""

from __future__ import annotations

from datetime import UTC, datetime
from time import time

import dagster as dg
import msgspec
from dagster._core.storage.tags import PRIORITY_TAG

from parivision_assets.orchestration.history import newest_run
from parivision_core.sport import Sport

RETRY_SECONDS = 600
"""After a run that failed: long enough for a cause that lasts to stay quiet, short enough for a restart."""
STARTED = time()
"""A run that failed before this process started was most likely cut off with the last: it isn't waited for."""
FIRST_CANDIDATE, INGEST, CANDIDATE = ({PRIORITY_TAG: place} for place in ("3", "2", "1"))
"""Places in Dagster's queue; all else comes after them, first come, first served.

Nobody is served before the first candidate. Then days must not pile up, for drift in them isn't seen while they wait.
Whatever else waits has its turn after each ingest and candidate: the next one is asked for only when none is under way.
"""
LONG_ENOUGH_SECONDS = 60
"""What has waited so long in the queue isn't passed by another candidate: in a house that can hardly keep pace one is
always due, and a drift report, or what a person asked for, would wait behind them for ever."""


class LastRequest(msgspec.Struct, frozen=True):
    """The last run that was asked for; the sensor's cursor."""

    about: str = ""
    """What it was to work on."""
    at: float = 0.0
    """Seconds since the epoch."""


def reason_to_wait(context: dg.SensorEvaluationContext, tag: str, sport: Sport, about: str, now: float) -> str:
    """Why no further run with this tag is to be asked for now; empty when one may be."""
    last = newest_run(context.instance, tag, sport)
    if last is None:
        return ""
    if not last.is_finished:
        return "a run is under way"
    asked = msgspec.json.decode(context.cursor or "{}", type=LastRequest)
    if last.is_success and about == asked.about:
        return "a run on these shots led to nothing: more are needed"
    if not last.is_success and asked.at > STARTED and now < asked.at + RETRY_SECONDS:
        return "the last run failed a moment ago"
    return ""


def place_of_candidate(instance: dg.DagsterInstance, now: float, *, first: bool) -> dict[str, str]:
    """Tags that give a candidate its place in the queue."""
    if first:
        return FIRST_CANDIDATE
    before = datetime.fromtimestamp(now - LONG_ENOUGH_SECONDS, UTC)
    queued = dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED], created_before=before)
    return {} if instance.get_run_records(queued, limit=1) else CANDIDATE


def request(about: str, now: float, **tags: str) -> dg.SensorResult:
    """Ask for a run about something; its key is used only once."""
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=f"{about}:{now:.0f}", tags=tags)],
        cursor=msgspec.json.encode(LastRequest(about, now)).decode(),
    )
