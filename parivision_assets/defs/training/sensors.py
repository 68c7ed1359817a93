"""When a candidate is trained: once enough shots are new, when drift was found, and each morning."""

from time import time

import dagster as dg

from parivision_assets.orchestration import run_requests
from parivision_assets.orchestration.failures import waits_in_words
from parivision_assets.orchestration.history import (
    cut_off,
    drift_since,
    newest_fit,
    newest_run,
    registry_name,
    under_way,
)
from parivision_assets.orchestration.keys import INGEST_TAG, TRAINING_TAG, named, trained_model_key
from parivision_assets.orchestration.run_requests import candidate_priority, reason_to_wait, request
from parivision_assets.resources import RegistryResource, StoreResource
from parivision_assets.steps.training.retraining import RetrainingEvidence, reason_to_train
from parivision_assets.tracking.lost_models import has_lost_models
from parivision_core.problems import PariVisionError
from parivision_core.sport import Sport

SECONDS = 4
"""Longest interval between two evaluations: when a season is simulated in minutes, its verdicts shouldn't lag behind.

Dagster's daemon evaluates sensors every five seconds. With an interval of five, every other round would come a few
milliseconds too early and skip the sensor.
"""
PATIENCE_SECONDS = 300
"""After a start: so long the first training waits for an ingest that was cut off, whose source may be gone."""
REASON_TAG = "parivision/reason"
MORNING = "0 5 * * *"
TIMEZONE = "Europe/Paris"


def build(sport: Sport, seconds: int, enough_shots: int) -> dg.SensorDefinition:
    """The sensor for one sport, evaluated every so many seconds or oftener."""

    @dg.sensor(
        name=named(sport, "retraining"),
        job_name=named(sport, "refresh"),
        minimum_interval_seconds=min(seconds, SECONDS),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Requests a refresh when {enough_shots:,} shots are new since the last candidate was fitted, or "
        "any are and the drift report warns.",
    )
    @waits_in_words
    def retraining(
        context: dg.SensorEvaluationContext, store: StoreResource, registry: RegistryResource
    ) -> dg.SensorResult | dg.SkipReason:
        evidence = evidence_of(context.instance, store, registry, sport)
        reason = reason_to_train(evidence, 1 if _failed(context.instance, sport) else enough_shots)
        if not reason:
            return dg.SkipReason("too few shots are new")
        if evidence.fit is None and under_way(context.instance, INGEST_TAG, sport):
            return dg.SkipReason(f"{reason}; the first one waits for the ingest that is under way")
        about = f"{evidence.shots}:{evidence.schema}:{evidence.registry}{':lost' if evidence.lost else ''}"
        now = time()
        may_wait = evidence.fit is None and 0 <= now - run_requests.STARTED < PATIENCE_SECONDS
        if may_wait and (missing := cut_off(context.instance, sport, store.of(sport))):
            return dg.SkipReason(f"{reason}; the first one waits for {missing} batches whose ingest was cut off")
        if wait := reason_to_wait(context, TRAINING_TAG, sport, about, now):
            return dg.SkipReason(f"{reason}, but {wait}")
        priority = candidate_priority(context.instance, now, first=evidence.fit is None)
        return request(about, now, **priority, **{REASON_TAG: reason})

    return retraining


def build_schedule(sport: Sport) -> dg.ScheduleDefinition:
    """The daily refresh, which trains a candidate however few shots are new."""

    @dg.schedule(
        name=named(sport, "every_morning"),
        job_name=named(sport, "refresh"),
        cron_schedule=MORNING,
        execution_timezone=TIMEZONE,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="At 05:00 in Paris: features, a candidate, its verdict, and the champion if it is better.",
    )
    def every_morning(
        context: dg.ScheduleEvaluationContext, store: StoreResource, registry: RegistryResource
    ) -> dg.RunRequest | dg.SkipReason:
        last = newest_run(context.instance, TRAINING_TAG, sport)
        if last and not last.is_finished:
            return dg.SkipReason("a training is under way")
        try:
            reason = reason_to_train(evidence_of(context.instance, store, registry, sport), enough_shots=1)
        except PariVisionError as error:  # the run fails if that isn't over, and is repeated; a failed tick isn't
            reason = f"whether shots are new isn't known: {error}"
        if not reason:
            return dg.SkipReason("no shot is new since the last candidate was fitted")
        return dg.RunRequest(tags={REASON_TAG: reason})

    return every_morning


def _failed(instance: dg.DagsterInstance, sport: Sport) -> bool:
    """Whether the newest training failed without a candidate: it is due again, however few shots are new.

    The schedule would repeat its own only on the next morning. What a person has started isn't repeated, nor a run that
    failed because its candidate is defective.
    """
    last = newest_run(instance, TRAINING_TAG, sport)
    if last is None or last.status is not dg.DagsterRunStatus.FAILURE or REASON_TAG not in last.tags:
        return False
    fitted = instance.get_latest_materialization_event(trained_model_key(sport))
    return fitted is None or fitted.run_id != last.run_id


def evidence_of(
    instance: dg.DagsterInstance, store: StoreResource, registry: RegistryResource, sport: Sport
) -> RetrainingEvidence:
    """What the lake and Dagster's records say about the need for a training."""
    lake = store.of(sport)
    fit = newest_fit(instance, sport, lake)
    return RetrainingEvidence(
        shots=sum(manifest.added for manifest in lake.manifests()),
        schema=sport.schema,
        registry=registry_name(registry.tracking_uri),
        fit=fit.fit if fit else None,
        lost=fit is not None and has_lost_models(registry.tracking_uri, sport.registered_model),
        drift=drift_since(instance, sport, fit.at) if fit else "",
    )
