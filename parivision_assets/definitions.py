"""The Dagster code location: assets, checks, sensors, jobs and resources for a list of sports."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import dagster as dg

from parivision_assets.alerting import sensors as alerts
from parivision_assets.alerting.channels import notifier_of
from parivision_assets.defs import features, feed, monitoring, promotion, training
from parivision_assets.resources import resources
from parivision_core.nba.shots import NBA
from parivision_core.settings import Settings
from parivision_core.sport import Sport

# The beta features in use are pinned by the lock file; their warnings would stand at the top of every log.
warnings.simplefilter("ignore", dg.BetaWarning)


def sport_definitions(sport: Sport, settings: Settings) -> dg.Definitions:
    """Assets, checks, sensors and jobs of one sport."""
    mlflow_page, seconds = settings.mlflow_page, settings.sensor_seconds
    return dg.Definitions(
        assets=[
            feed.assets.build(sport, settings.store_kind),
            features.assets.build(sport, settings.store_kind),
            training.search.build(sport, mlflow_page),
            training.assets.build(sport, mlflow_page),
            promotion.assets.build(sport),
            monitoring.assets.build(sport, mlflow_page),
        ],
        asset_checks=[*features.checks.build(sport), *training.checks.build(sport)],
        sensors=[
            feed.sensors.build(sport, seconds),
            training.sensors.build(sport, seconds, settings.retrain_shots),
            promotion.sensors.build(sport, seconds),
            monitoring.sensors.build(sport, seconds),
            alerts.on_verdicts(sport, seconds),
        ],
        schedules=[training.sensors.build_schedule(sport)],
        jobs=[
            training.jobs.refresh_job(sport),
            training.jobs.search_job(sport),
            promotion.jobs.judge_job(sport),
            monitoring.jobs.drift_job(sport),
            promotion.jobs.rollback_job(sport),
        ],
        resources=resources(settings, sport),
    )


def build(sports: Sequence[Sport], settings: Settings) -> dg.Definitions:
    """The code location."""
    automation = dg.AutomationConditionSensorDefinition(
        "automation",
        target=dg.AssetSelection.all(),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=settings.sensor_seconds,
        description="Materializes assets whose automation conditions are met: features after new batches, and the "
        "champion after a candidate was trained alone.",
    )
    shared = dg.Definitions(
        sensors=[automation, alerts.on_failures(sports, settings.sensor_seconds, settings.dagster_page)],
        resources={"notifier": notifier_of(settings)},
        executor=dg.in_process_executor,
    )
    return dg.Definitions.merge(shared, *(sport_definitions(sport, settings) for sport in sports))


defs = build([NBA], Settings.from_env())
