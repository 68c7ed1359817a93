"""When a sensor may request another run: one at a time, only on new data, and not right after a failure."""

from __future__ import annotations

from datetime import UTC, datetime
from time import time
from typing import TypeVar

import dagster as dg
import msgspec

from parivision_assets.orchestration.history import newest_run
from parivision_core.sport import Sport

RETRY_SECONDS = 600
"""After a run that failed: long enough for a lasting cause not to flood the queue, short enough to go on soon."""
STARTED = time()
"""When this process started. A run that failed earlier was most likely cut off with the platform: no pause follows."""
PRIORITY_TAG = "dagster/priority"
FIRST_CANDIDATE, INGEST, CANDIDATE = ({PRIORITY_TAG: priority} for priority in ("3", "2", "1"))
"""Tags with priorities in Dagster's run queue; all other runs have 0 and go in the order of their requests.

Nothing can be served before the first candidate. Next come ingests, because drift isn't seen in batches that wait.
Other runs have their turn after each ingest and candidate: the next one is requested only when none is under way.
"""
LONG_ENOUGH_SECONDS = 60
"""A run that has waited so long in the queue goes before a candidate. On a machine that hardly keeps pace a candidate
is always due, and a drift report, or a run that a person has started, would wait for ever."""


T = TypeVar("T")


def read_cursor(context: dg.SensorEvaluationContext, kind: type[T], empty: T) -> T:
    """A sensor's cursor. One that can't be read is reported, and the sensor begins anew instead of failing for ever."""
    if not context.cursor:
        return empty
    try:
        return msgspec.json.decode(context.cursor, type=kind)
    except msgspec.DecodeError as error:
        context.log.warning(f"the sensor begins anew, because its cursor can't be read: {error}")
        return empty


class LastRequest(msgspec.Struct, frozen=True):
    """The last run that a sensor requested; its cursor."""

    about: str = ""
    """Identifies the data that the run was to work on."""
    at: float = 0.0
    """Seconds since the epoch."""


def before_start(at: float, now: float) -> bool:
    """Whether something happened before this process started, which has most likely cut it off.

    Not known, and so False, after the clock was set back to before that start. Then times that lie ahead don't say how
    long ago something was either: whoever waits for a time to pass waits no more.
    """
    return at < STARTED <= now


def reason_to_wait(context: dg.SensorEvaluationContext, tag: str, sport: Sport, about: str, now: float) -> str:
    """Why no further run with this tag may be requested now; empty when one may."""
    last = newest_run(context.instance, tag, sport)
    if last is None:
        return ""
    if not last.is_finished:
        return "a run is under way"
    requested = read_cursor(context, LastRequest, LastRequest())
    if last.is_success and about == requested.about:
        return "a run on these shots had no result: more are needed"
    if not last.is_success and not before_start(requested.at, now) and 0 <= now - requested.at < RETRY_SECONDS:
        return f"the last run failed less than {RETRY_SECONDS // 60} minutes ago"
    return ""


def candidate_priority(instance: dg.DagsterInstance, now: float, *, first: bool) -> dict[str, str]:
    """Tags with the priority of a training in the run queue."""
    if first:
        return FIRST_CANDIDATE
    before = datetime.fromtimestamp(now - LONG_ENOUGH_SECONDS, UTC)
    queued = dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED], created_before=before)
    return {} if instance.get_run_records(queued, limit=1) else CANDIDATE


def request(about: str, now: float, **tags: str) -> dg.SensorResult:
    """Request a run on the data that `about` identifies; with the time, no run key is used twice."""
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=f"{about}:{now:.0f}", tags=tags)],
        cursor=msgspec.json.encode(LastRequest(about, now)).decode(),
    )
