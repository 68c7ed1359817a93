"""When the drift report is due: once all the shots it looks at are new, and whenever the champion has changed."""

from dataclasses import dataclass
from time import time
from typing import Any

import dagster as dg

from parivision_assets.orchestration.failures import waits_in_words
from parivision_assets.orchestration.keys import DRIFT_TAG, champion_model_key, drift_report_key, named
from parivision_assets.orchestration.run_requests import reason_to_wait, request
from parivision_assets.resources import StoreResource
from parivision_assets.steps.monitoring import NEWEST_SHOTS
from parivision_core.sport import Sport

SETTLED_SECONDS = 60
"""Before the first report on a new champion. Runs go one at a time, and right after a promotion the days that arrived
during the training are due, perhaps with the next candidate; a report can wait for them."""


def build(sport: Sport, seconds: int, enough_shots: int = NEWEST_SHOTS) -> dg.SensorDefinition:
    """The sensor for one sport, evaluated every so many seconds.

    It reads one small record of the store and one of Dagster's. The champion's version comes from the materialization
    of `champion_model`, because asking the registry would mean importing MLflow.
    """
    champion_key, report_key = champion_model_key(sport), drift_report_key(sport)

    @dg.sensor(
        name=named(sport, "fresh_shots_to_watch"),
        job_name=named(sport, "drift"),
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Requests a drift report when {enough_shots:,} shots are new since the last one, or when any are "
        f"new and another version has been champion for {SETTLED_SECONDS} seconds.",
    )
    @waits_in_words
    def fresh_shots_to_watch(
        context: dg.SensorEvaluationContext, store: StoreResource
    ) -> dg.SensorResult | dg.SkipReason:
        current, reported = _newest(context.instance, [champion_key, report_key])
        if current is None:
            return dg.SkipReason("there is no champion yet")
        champion, now = current.metadata["version"], time()
        known = reported is not None and reported.metadata.get("champion") == champion
        if not known and 0 <= now - current.at < SETTLED_SECONDS:
            return dg.SkipReason(f"version {champion} has only just become champion")
        state = store.of(sport).warehouse_state()
        new = state.rows - int(reported.metadata.get("warehouse_shots", 0) if reported else 0)
        if new < (enough_shots if known else 1):
            return dg.SkipReason(f"{max(new, 0):,} new shots since the newest report")
        about = f"{champion}:{state.feature_state_stamp}"
        if wait := reason_to_wait(context, DRIFT_TAG, sport, about, now):
            return dg.SkipReason(wait)
        return request(about, now)

    return fresh_shots_to_watch


@dataclass(frozen=True)
class Materialization:
    """An asset's metadata and when it was materialized, in seconds since the epoch."""

    metadata: dict[str, Any]
    at: float


def _newest(instance: dg.DagsterInstance, keys: list[dg.AssetKey]) -> list[Materialization | None]:
    """The newest materialization of each asset, in one query; None before the first."""
    found: dict[dg.AssetKey, Materialization] = {}
    for record in instance.get_asset_records(keys):
        event = record.asset_entry.last_materialization
        if event is not None and event.asset_materialization is not None:
            metadata = {name: entry.value for name, entry in event.asset_materialization.metadata.items()}
            found[record.asset_entry.asset_key] = Materialization(metadata, event.timestamp)
    return [found.get(key) for key in keys]
