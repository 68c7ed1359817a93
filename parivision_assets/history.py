"""What Dagster's records tell the sensors: the newest fit, what is sound, what is under way, what drifts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dagster as dg

from parivision_assets.keys import DRIFT_CHECK, drift_report_key, trained_model_key
from parivision_assets.steps.retraining import Fit
from parivision_core.sport import Sport

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True)
class PastFit:
    """A fit and when it was recorded, in seconds since the epoch."""

    fit: Fit
    at: float


def newest_fit(instance: dg.DagsterInstance, sport: Sport) -> PastFit | None:
    """What the newest candidate was trained with; None before the first."""
    event = instance.get_latest_materialization_event(trained_model_key(sport))
    if event is None or event.asset_materialization is None:
        return None
    told: dict[str, Any] = {name: entry.value for name, entry in event.asset_materialization.metadata.items()}
    # One trained by an older version tells neither, and is due to be followed.
    fit = Fit(int(told["version"]), int(told.get("warehouse_shots", 0)), str(told.get("schema", "")))
    return PastFit(fit, event.timestamp)


def drift_since(instance: dg.DagsterInstance, sport: Sport, at: float) -> str:
    """What the newest drift report warns of, if it is younger than `at` (seconds since the epoch); else empty."""
    found = _evaluated(instance, dg.AssetCheckKey(drift_report_key(sport), DRIFT_CHECK))
    if found is None or found[0].passed or found[1] <= at:
        return ""
    return found[0].description or "columns have drifted"


def sound(instance: dg.DagsterInstance, checks: list[dg.AssetCheckKey]) -> bool:
    """Whether none of the checks failed when it was carried out last, or is being carried out at the moment."""
    return all(_passed(instance, key) for key in checks)


def under_way(instance: dg.DagsterInstance, tag: str, sport: Sport) -> bool:
    """Whether a run of the sport that carries this tag is waiting or running."""
    return bool(instance.get_runs_count(dg.RunsFilter(tags={tag: sport.name}, statuses=UNFINISHED)))


def went_well(instance: dg.DagsterInstance, tag: str, sport: Sport) -> bool:
    """Whether the newest run of the sport that carries this tag succeeded."""
    runs = instance.get_runs(dg.RunsFilter(tags={tag: sport.name}), limit=1)
    return bool(runs) and runs[0].is_success


def _evaluated(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> tuple[dg.AssetCheckEvaluation, float] | None:
    """The newest outcome of a check and its time; None when there is none yet, or while a run carries the check out."""
    record = instance.get_latest_asset_check_evaluation_record(key)
    if record is None or record.event is None or not isinstance(record.evaluation, dg.AssetCheckEvaluation):
        return None
    return record.evaluation, record.event.timestamp


def _passed(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> bool:
    record = instance.get_latest_asset_check_evaluation_record(key)
    if record is None:
        return True
    if isinstance(record.evaluation, dg.AssetCheckEvaluation):
        return record.evaluation.passed
    run = instance.get_run_by_id(record.run_id)  # planned: it is under way, or died before it came to the check
    return run is None or run.is_finished
