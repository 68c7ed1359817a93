"""The sensors that send alerts: on failed runs, drift and quarantined rows, and on the gate's verdicts.

These are plain sensors instead of `run_failure_sensor` or `make_slack_on_run_failure_sensor`: when one of those raises
because Slack is down, Dagster moves its cursor on and the alert is lost; nor can they hold back repetitions. Here the
cursor is an outbox, and it moves past an event only by storing the alert, which stays until it was delivered. A tick
that can't deliver succeeds and shows why; no run waits for an alert. There are two sensors, so that a store that can't
be reached stops the alerts on verdicts but not those on the runs that fail because of it. There aren't more, because a
tick costs a tenth of a CPU second.
"""

from collections.abc import Callable, Sequence
from time import time

import dagster as dg
import msgspec
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from parivision_assets.alerting.failed_runs import ended_with_the_platform, job_in_words, step_and_reason
from parivision_assets.alerting.messages import failed_check, failed_run, interrupted_run, judged, mark, unseen
from parivision_assets.alerting.notifier import LOG, NotifierResource
from parivision_assets.alerting.outbox import Outbox
from parivision_assets.orchestration.failures import waits_in_words
from parivision_assets.orchestration.keys import DRIFT_CHECK, drift_report_key, named, raw_shots_key
from parivision_assets.orchestration.run_requests import read_cursor
from parivision_assets.resources import StoreResource
from parivision_core.sport import Sport

RECENT = 5
"""Failures of a check that are looked at: runs that overlap may end in another order than they began."""
LONGEST_KEY = 200
"""Dagster stores the cursor of every tick, so keys are cut; the alert itself has the whole reason."""
VERDICT_SECONDS = 30
"""Between two evaluations of the sensor for verdicts, which come minutes apart."""


def on_failures(sports: Sequence[Sport], seconds: int, page: str) -> dg.SensorDefinition:
    """The sensor for runs and checks; `page` is the address of Dagster's web page, for links."""

    @dg.sensor(
        name="alert_on_failures",
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reports failed runs, drift and quarantined rows; the same problem at most once an hour.",
    )
    def alert_on_failures(context: dg.SensorEvaluationContext, notifier: NotifierResource) -> dg.SensorResult:
        def look(outbox: Outbox) -> None:
            _look_at_runs(context, outbox, page)
            for sport in sports:
                _look_at_checks(sport, context.instance, outbox, page)

        return _tick(context, notifier, look)

    return alert_on_failures


def on_verdicts(sport: Sport, seconds: int) -> dg.SensorDefinition:
    """The sensor for the verdicts of one sport."""
    topic = named(sport, "verdict")

    @dg.sensor(
        name=named(sport, "alert_on_verdicts"),
        minimum_interval_seconds=max(seconds, VERDICT_SECONDS),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reports candidates that passed or were refused, with the numbers.",
    )
    @waits_in_words
    def alert_on_verdicts(
        context: dg.SensorEvaluationContext, notifier: NotifierResource, store: StoreResource
    ) -> dg.SensorResult:
        def look(outbox: Outbox) -> None:
            ledger = store.of(sport)
            newest = "".join(mark(verdict) for verdict in ledger.verdicts(limit=1))
            last = outbox.read.setdefault(topic, newest)  # what was there at the first evaluation isn't reported
            if newest == last:
                return
            new = unseen(ledger.verdicts(), last)
            if not new:  # another store, whose verdicts are older
                outbox.read[topic] = newest
            for verdict in new[: outbox.free_slots]:
                if alert := judged(verdict, topic):
                    outbox.put(mark(verdict), alert)
                outbox.read[topic] = mark(verdict)

        return _tick(context, notifier, look)

    return alert_on_verdicts


def _tick(
    context: dg.SensorEvaluationContext, notifier: NotifierResource, look: Callable[[Outbox], None]
) -> dg.SensorResult:
    """Collect what is new, send what is due, and show the outcome on the tick's page."""
    outbox = read_cursor(context, Outbox, Outbox())
    before = outbox.trouble
    look(outbox)
    sent = outbox.deliver(notifier.send, time())
    if outbox.trouble:
        summary = f"{outbox.trouble}. Alerts that wait: {outbox.waiting}; the next tick tries again."
        if outbox.trouble != before:
            LOG.warning("alerts: %s", summary)
    else:
        summary = "sent: " + "; ".join(alert.title for alert in sent) if sent else "nothing new to report"
    return dg.SensorResult(skip_reason=summary, cursor=msgspec.json.encode(outbox).decode())


def _look_at_runs(context: dg.SensorEvaluationContext, outbox: Outbox, page: str) -> None:
    """Collect the runs that failed since the last tick; none at the first tick."""
    kind, instance = dg.DagsterEventType.RUN_FAILURE, context.instance
    last = outbox.read.get("runs")
    if last is None:
        outbox.read["runs"] = instance.fetch_run_status_changes(kind, limit=1).cursor
    elif outbox.free_slots:
        new = instance.fetch_run_status_changes(kind, limit=outbox.free_slots, cursor=last, ascending=True)
        for entry in (record.event_log_entry for record in new.records):
            record, event = instance.get_run_record_by_id(entry.run_id), entry.dagster_event
            if record is None or event is None or not _is_ours(record.dagster_run, context):
                continue
            run, link = record.dagster_run, f"{page}/runs/{entry.run_id}"
            job, (step, reason) = job_in_words(run), step_and_reason(event, run, instance)
            if ended_with_the_platform(record, reason):
                outbox.put(f"{job}: interrupted", interrupted_run(job, link))
            else:
                outbox.put(f"{job}: {reason}"[:LONGEST_KEY], failed_run(job, step, reason, link))
        outbox.read["runs"] = new.cursor


def _is_ours(run: dg.DagsterRun, context: dg.SensorEvaluationContext) -> bool:
    """Whether a run belongs to this code location; the runs of a headless refresh name no location."""
    origin, here = run.remote_job_origin, context.code_location_origin
    return origin is None or here is None or origin.location_name == here.location_name


def _look_at_checks(sport: Sport, instance: dg.DagsterInstance, outbox: Outbox, page: str) -> None:
    """Collect the checks that failed since the last tick; none at the first tick."""
    watched = (
        ("drift", drift_report_key(sport), DRIFT_CHECK, ""),
        ("quarantine", raw_shots_key(sport), "contract", "`make quarantine` lists them"),
    )
    for name, asset, check, advice in watched:
        topic = named(sport, name)
        records = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(asset, check), limit=RECENT, status={AssetCheckExecutionRecordStatus.FAILED}
        )
        # By the time of their evaluation: a check's record gets its number when its run begins. Which of them were
        # seen is kept, and not the newest time: after the clock was set back, new failures have earlier ones.
        failures = {str(r.event.timestamp): (r.run_id, r.evaluation) for r in records if r.event and r.evaluation}
        seen = outbox.read.setdefault(topic, " ".join(failures)).split()
        for at in sorted(failures.keys() - seen):
            run_id, evaluation = failures[at]
            outbox.put(topic, failed_check(topic, evaluation.description, advice, f"{page}/runs/{run_id}"))
        outbox.read[topic] = " ".join(failures)
