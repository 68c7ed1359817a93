"""Why a run failed, for an alert: the step and the reason, without a stack trace."""

from __future__ import annotations

import dagster as dg

from parivision_assets.alerting.messages import error_in_words
from parivision_assets.orchestration import run_requests
from parivision_assets.orchestration.run_launcher import CODE_SERVER_GONE

INTERRUPTED = "its process was asked to end while it ran"
FOUND_DEAD = "marked as failed from outside the execution context"
"""Dagster's message for a run whose process it no longer finds."""
REQUESTED_AGAIN = ("dagster/sensor_name", "dagster/from_automation_condition")
"""Tags of runs that a sensor or an automation condition requested: it will request them again."""


def job_in_words(run: dg.DagsterRun) -> str:
    """The job's name; the assets for the implicit job in which Dagster runs a selection of assets."""
    assets = ", ".join(sorted(key.to_user_string() for key in run.asset_selection or ()))
    return assets if assets and run.job_name.startswith("__") else run.job_name


def ended_with_the_platform(record: dg.RunRecord, reason: str) -> bool:
    """Whether a run was cut off because the whole platform stopped, and will be requested again by itself.

    Such a run began before this process. It was asked to end, or Dagster no longer found its process or its code
    server, which only ends together with the platform.
    """
    earlier = record.create_timestamp.timestamp() < run_requests.STARTED
    cut_off = reason == INTERRUPTED or CODE_SERVER_GONE in reason or FOUND_DEAD in reason
    return earlier and cut_off and any(tag in record.dagster_run.tags for tag in REQUESTED_AGAIN)


def step_and_reason(event: dg.DagsterEvent, run: dg.DagsterRun, instance: dg.DagsterInstance) -> tuple[str | None, str]:
    """The step that failed first, if one did, and why: the text of a dg.Failure or a blocking check, or the exception.

    `event` is the one with which the run failed.
    """
    # None when run monitoring marked the run as failed; its message is the event's.
    failure = event.event_specific_data
    first = getattr(failure, "first_step_failure_event", None)
    if first is not None:
        failure = first.step_failure_data
        if failure.user_failure_data is not None and failure.user_failure_data.description:
            return first.step_key, failure.user_failure_data.description
    step, error = first.step_key if first else None, getattr(failure, "error", None)
    if error is None:
        return step, event.message or "no reason is on record"
    if error.cls_name == "DagsterAssetCheckFailedError" and (reason := _blocking_checks(run, instance)):
        return step, reason
    if error.cls_name == dg.DagsterExecutionInterruptedError.__name__:
        return step, INTERRUPTED
    return step, error_in_words((error.cause or error).message)


def _blocking_checks(run: dg.DagsterRun, instance: dg.DagsterInstance) -> str:
    """Names and descriptions of the blocking checks that stopped a run."""
    records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    events = [record.event_log_entry.dagster_event for record in records]
    found = [event.asset_check_evaluation_data for event in events if event is not None]
    return "; ".join(f"{e.check_name}: {e.description}" for e in found if e.blocking and not e.passed and e.description)
