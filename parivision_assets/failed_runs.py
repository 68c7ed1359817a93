"""What a failed run has to say to a person: which step, and why, without a stack trace."""

from __future__ import annotations

import dagster as dg

from parivision_assets.steps.messages import error_in_words

INTERRUPTED = "its process was asked to end while it ran"


def job_in_words(run: dg.DagsterRun) -> str:
    """The job's name; of Dagster's nameless asset jobs the assets."""
    assets = ", ".join(sorted(key.to_user_string() for key in run.asset_selection or ()))
    return assets if assets and run.job_name.startswith("__") else run.job_name


def step_and_reason(event: dg.DagsterEvent, run: dg.DagsterRun, instance: dg.DagsterInstance) -> tuple[str | None, str]:
    """The step that failed first, if one did, and why: what a dg.Failure or a blocking check says, else the exception.

    `event` is the one with which the run failed.
    """
    # Absent when monitoring found the run dead; its words are the event's then.
    failure = event.event_specific_data
    first = getattr(failure, "first_step_failure_event", None)
    if first is not None:
        failure = first.step_failure_data
        if failure.user_failure_data is not None and failure.user_failure_data.description:
            return first.step_key, failure.user_failure_data.description
    step, error = first.step_key if first else None, getattr(failure, "error", None)
    if error is None:
        return step, event.message or "no reason is on record"
    if error.cls_name == "DagsterAssetCheckFailedError" and (words := _blocking_checks(run, instance)):
        return step, words
    if error.cls_name == dg.DagsterExecutionInterruptedError.__name__:
        return step, INTERRUPTED
    return step, error_in_words((error.cause or error).message)


def _blocking_checks(run: dg.DagsterRun, instance: dg.DagsterInstance) -> str:
    """What the checks that stopped a run have said."""
    records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    events = [record.event_log_entry.dagster_event for record in records]
    found = [event.asset_check_evaluation_data for event in events if event is not None]
    return "; ".join(f"{e.check_name}: {e.description}" for e in found if e.blocking and not e.passed and e.description)
