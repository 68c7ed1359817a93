"""When the drift report is due: once all that it looks at is new, and whenever another champion reigns."""

from time import time
from typing import Any

import dagster as dg

from parivision_assets.asking import reason_to_wait, request
from parivision_assets.keys import DRIFT_TAG, champion_model_key, drift_report_key, named
from parivision_assets.resources import StoreResource
from parivision_core.sport import Sport

ENOUGH_SHOTS = 16_000
"""About two weeks of the league, which is what a report looks at."""


def build(sport: Sport, seconds: int, enough_shots: int = ENOUGH_SHOTS) -> dg.SensorDefinition:
    """The sensor for one sport, evaluated every so many seconds.

    It reads one small record of the store and one of Dagster's. Whose turn it is to reign it takes from what
    `champion_model` told Dagster, because asking the registry would mean importing MLflow.
    """
    champion_key, report_key = champion_model_key(sport), drift_report_key(sport)

    @dg.sensor(
        name=named(sport, "fresh_shots_to_watch"),
        job_name=named(sport, "drift"),
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Asks for a drift report when {enough_shots:,} shots are new since the last one, or another "
        "champion reigns and any are.",
    )
    def fresh_shots_to_watch(
        context: dg.SensorEvaluationContext, store: StoreResource
    ) -> dg.SensorResult | dg.SkipReason:
        told = _told(context.instance, [champion_key, report_key])
        champion, report = told[champion_key], told[report_key]
        if not champion:
            return dg.SkipReason("no champion reigns yet")
        state = store.of(sport).warehouse_state()
        new = state.rows - int(report.get("warehouse_shots", 0))
        if new < (enough_shots if report.get("champion") == champion["version"] else 1):
            return dg.SkipReason(f"{max(new, 0):,} new shots since the newest report")
        about, now = f"{champion['version']}:{state.form_stamp}", time()
        if wait := reason_to_wait(context, DRIFT_TAG, sport, about, now):
            return dg.SkipReason(wait)
        return request(about, now)

    return fresh_shots_to_watch


def _told(instance: dg.DagsterInstance, keys: list[dg.AssetKey]) -> dict[dg.AssetKey, dict[str, Any]]:
    """Metadata of the newest materialization of each asset, in one query; empty before the first."""
    found: dict[dg.AssetKey, dict[str, Any]] = {key: {} for key in keys}
    for record in instance.get_asset_records(keys):
        event = record.asset_entry.last_materialization
        if event is not None and event.asset_materialization is not None:
            metadata = event.asset_materialization.metadata
            found[record.asset_entry.asset_key] = {name: entry.value for name, entry in metadata.items()}
    return found
