"""What a person on duty has to know, told soon: failed runs, drift, rows in quarantine, and the gate's verdicts.

These are plain sensors, and not `run_failure_sensor` or `make_slack_on_run_failure_sensor`: when one of those raises
because Slack is down, Dagster moves its cursor on all the same, and the alert is lost; nor can they hold back what
repeats. Here the cursor is an outbox. It moves past an event only by taking in the alert, which stays until somebody
took it. A tick that can't deliver is no failure, but says why; no run ever waits for an alert. There are two sensors,
so that a store which can't be reached stops the look for verdicts, but not the alerts of the runs that fail with it;
and not more, because a tick costs a tenth of a CPU second, whatever it looks at.
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
from parivision_assets.orchestration.keys import DRIFT_CHECK, drift_report_key, named, raw_shots_key
from parivision_assets.resources import StoreResource
from parivision_core.sport import Sport

RECENT = 5
"""Failures of a check that are looked at: runs that overlap may end in another order than they began."""
LONGEST_KEY = 200
"""Dagster keeps the cursor of every tick; a reason that names a hundred batches is told in full all the same."""
VERDICT_SECONDS = 30
"""Between looks for verdicts, which come minutes apart."""


def on_failures(sports: Sequence[Sport], seconds: int, page: str) -> dg.SensorDefinition:
    """The sensor for runs and checks; `page` is the address of Dagster's web page, for links."""

    @dg.sensor(
        name="alert_on_failures",
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells of failed runs, of drift and of rows in quarantine; of the same thing at most once an hour.",
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
        description="Tells of candidates that passed or were refused, with the numbers.",
    )
    def alert_on_verdicts(
        context: dg.SensorEvaluationContext, notifier: NotifierResource, store: StoreResource
    ) -> dg.SensorResult:
        def look(outbox: Outbox) -> None:
            ledger = store.of(sport)
            newest = "".join(mark(verdict) for verdict in ledger.verdicts(limit=1))
            last = outbox.read.setdefault(topic, newest)  # an old ledger's stories aren't told
            if newest == last:
                return
            new = unseen(ledger.verdicts(), last)
            if not new:  # another store, whose verdicts are older
                outbox.read[topic] = newest
            for verdict in new[: outbox.room]:
                if alert := judged(verdict, topic):
                    outbox.put(mark(verdict), alert)
                outbox.read[topic] = mark(verdict)

        return _tick(context, notifier, look)

    return alert_on_verdicts


def _tick(
    context: dg.SensorEvaluationContext, notifier: NotifierResource, look: Callable[[Outbox], None]
) -> dg.SensorResult:
    """Take in what is new, tell what is due, and say on the tick's page what came of it."""
    outbox = msgspec.json.decode(context.cursor, type=Outbox) if context.cursor else Outbox()
    before = outbox.trouble
    look(outbox)
    told = outbox.deliver(notifier.send, time())
    if outbox.trouble:
        summary = f"{outbox.trouble}. Alerts that wait: {outbox.waiting}; the next tick tries again."
        if outbox.trouble != before:
            LOG.warning("alerts: %s", summary)
    else:
        summary = "told: " + "; ".join(alert.title for alert in told) if told else "nothing new to tell"
    return dg.SensorResult(skip_reason=summary, cursor=msgspec.json.encode(outbox).decode())


def _look_at_runs(context: dg.SensorEvaluationContext, outbox: Outbox, page: str) -> None:
    """Take in the runs that failed since the last look; none at the first, for those are old stories."""
    kind, instance = dg.DagsterEventType.RUN_FAILURE, context.instance
    last = outbox.read.get("runs")
    if last is None:
        outbox.read["runs"] = instance.fetch_run_status_changes(kind, limit=1).cursor
    elif outbox.room:
        new = instance.fetch_run_status_changes(kind, limit=outbox.room, cursor=last, ascending=True)
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
    """Whether a run is one of this code location; those that a headless refresh executes itself name none."""
    theirs, ours = run.remote_job_origin, context.code_location_origin
    return theirs is None or ours is None or theirs.location_name == ours.location_name


def _look_at_checks(sport: Sport, instance: dg.DagsterInstance, outbox: Outbox, page: str) -> None:
    """Take in the checks that failed since the last look; none at the first. One that isn't there says nothing."""
    watched = (
        ("drift", drift_report_key(sport), DRIFT_CHECK, ""),
        ("quarantine", raw_shots_key(sport), "contract", "`make quarantine` lists them"),
    )
    for name, asset, check, advice in watched:
        topic = named(sport, name)
        records = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(asset, check), limit=RECENT, status={AssetCheckExecutionRecordStatus.FAILED}
        )
        # By the time of their end: a check's record is made, and numbered, when its run begins.
        failures = {r.event.timestamp: (r.run_id, r.evaluation) for r in records if r.event and r.evaluation}
        last = float(outbox.read.setdefault(topic, str(max(failures, default=0.0))))
        for at in sorted(failures):
            if at > last:
                run_id, evaluation = failures[at]
                outbox.put(topic, failed_check(topic, evaluation.description, advice, f"{page}/runs/{run_id}"))
                outbox.read[topic] = str(at)
