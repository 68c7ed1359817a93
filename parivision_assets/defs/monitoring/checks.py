"""The check on a drift report: has any watched column drifted? It warns and never blocks."""

from typing import TYPE_CHECKING

import dagster as dg

from parivision_assets.orchestration.keys import DRIFT_CHECK, drift_report_key
from parivision_core.sport import Sport

if TYPE_CHECKING:
    from parivision_assets.steps.monitoring.drift import Drift


def specs(sport: Sport) -> list[dg.AssetCheckSpec]:
    """The check, which the asset itself executes: report and warning come from one computation."""
    return [
        dg.AssetCheckSpec(
            DRIFT_CHECK,
            asset=drift_report_key(sport),
            description="No watched column of the newest shots is farther from the champion's training window than "
            "samples and periods of that window are from each other.",
        )
    ]


def result(drift: "Drift") -> dg.AssetCheckResult:
    """The check's result, which names the columns that drifted and by how much."""
    return dg.AssetCheckResult(
        check_name=DRIFT_CHECK,
        passed=not drift.drifted,
        severity=dg.AssetCheckSeverity.WARN,
        description=str(drift),
        metadata={
            "drifted_columns": dg.MetadataValue.json([c.column.name for c in drift.drifted]),
            "shots": drift.newest.shots,
            "through": drift.newest.last_date,
        },
    )
