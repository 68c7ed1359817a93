"""When a candidate is trained: once enough shots are new or the champion's world has moved, and each morning."""

from collections.abc import Sequence
from time import time

import dagster as dg
import msgspec

from parivision_assets.history import drift_since, newest_fit, sound, under_way, went_well
from parivision_assets.keys import TRAINING_TAG, named
from parivision_assets.resources import StoreResource
from parivision_assets.steps.retraining import Evidence, reason_to_train
from parivision_core.sport import Sport

RETRY_SECONDS = 600
"""After a training that failed: long enough for a cause that lasts to stay quiet, short enough for a restart."""
MORNING = "0 5 * * *"
TIMEZONE = "Europe/Paris"


class Asked(msgspec.Struct, frozen=True):
    """The last training that was asked for."""

    shots: int = -1
    """In the warehouse at the time."""
    at: float = 0.0
    """Seconds since the epoch."""


def build(
    sport: Sport, seconds: int, enough_shots: int, blocking: Sequence[dg.AssetChecksDefinition]
) -> dg.SensorDefinition:
    """The sensor for one sport, evaluated every so many seconds; a failed `blocking` check keeps it from training."""
    checks = [key for definition in blocking for key in definition.check_keys]

    @dg.sensor(
        name=named(sport, "retraining"),
        job_name=named(sport, "retrain"),
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Asks for a candidate when {enough_shots:,} shots are new since the last was fitted, or when the "
        "drift report warns; never on a warehouse whose checks failed.",
    )
    def retraining(context: dg.SensorEvaluationContext, store: StoreResource) -> dg.SensorResult | dg.SkipReason:
        evidence = evidence_of(context.instance, store, sport)
        asked = msgspec.json.decode(context.cursor or "{}", type=Asked)
        reason = reason_to_train(evidence, enough_shots)
        if not reason:
            return dg.SkipReason("too little is new")
        if under_way(context.instance, TRAINING_TAG, sport):
            return dg.SkipReason("a training is under way")
        if not sound(context.instance, checks):
            return dg.SkipReason(f"{reason}, but a check of the warehouse failed")
        now = time()
        if evidence.shots == asked.shots:
            if went_well(context.instance, TRAINING_TAG, sport):
                return dg.SkipReason(f"{reason}, but these shots led to no candidate: more are needed")
            if now < asked.at + RETRY_SECONDS:
                return dg.SkipReason(f"{reason}, but a training on these shots failed a moment ago")
        return dg.SensorResult(
            run_requests=[dg.RunRequest(run_key=f"{evidence.shots}:{now:.0f}", tags={"parivision/reason": reason})],
            cursor=msgspec.json.encode(Asked(evidence.shots, now)).decode(),
        )

    return retraining


def build_schedule(sport: Sport) -> dg.ScheduleDefinition:
    """The morning's refresh, for whoever wants a fresh candidate a day however few the shots."""

    @dg.schedule(
        name=named(sport, "every_morning"),
        job_name=named(sport, "refresh"),
        cron_schedule=MORNING,
        execution_timezone=TIMEZONE,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="At 05:00 in Paris: features, a candidate, its verdict, and the champion if it is better.",
    )
    def every_morning(context: dg.ScheduleEvaluationContext, store: StoreResource) -> dg.RunRequest | dg.SkipReason:
        reason = reason_to_train(evidence_of(context.instance, store, sport), enough_shots=1)
        if not reason:
            return dg.SkipReason("no shot is new since the last candidate was fitted")
        return dg.RunRequest(tags={"parivision/reason": reason})

    return every_morning


def evidence_of(instance: dg.DagsterInstance, store: StoreResource, sport: Sport) -> Evidence:
    """What is known now, from the store and from Dagster's records."""
    state, fit = store.of(sport).warehouse_state(), newest_fit(instance, sport)
    drift = drift_since(instance, sport, fit.at) if fit else ""
    return Evidence(state.rows, state.schema, fit.fit if fit else None, drift)
