"""The job of the drift report, which is never part of another run."""

from typing import TYPE_CHECKING

import dagster as dg

from parivision_assets.orchestration.keys import DRIFT_TAG, drift_report_key, named
from parivision_core.sport import Sport

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


def drift_job(sport: Sport) -> "UnresolvedAssetJobDefinition":
    """The job; it holds the drift report alone."""
    return dg.define_asset_job(
        named(sport, "drift"),
        selection=dg.AssetSelection.assets(drift_report_key(sport)),
        description="Compare the champion's training window with the newest shots.",
        tags={DRIFT_TAG: sport.name},
    )
