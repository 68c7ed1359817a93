"""Checks on the batches that came in last: contract, identity, locations, outcomes. They never stall a batch."""

import dagster as dg
import numpy as np

from parivision_assets.keys import raw_shots_key
from parivision_assets.resources import StoreResource
from parivision_core.records import Manifest
from parivision_core.sport import Columns, Sport
from parivision_core.store.base import Store

MAX_QUARANTINED = 0.001
MIN_LOCATION_AGREEMENT = 0.99
PLAUSIBLE_MAKE_RATE = (0.35, 0.60)
MIN_SHOTS_FOR_RATE = 500
"""Below so many shots, chance alone can leave the plausible range."""


def build(sport: Sport) -> list[dg.AssetChecksDefinition]:
    """The checks for one sport."""
    asset = raw_shots_key(sport)

    @dg.asset_check(asset=asset, description="At most 0.1 % of a batch's rows break the contract.")
    def contract(store: StoreResource) -> dg.AssetCheckResult:
        newest = _newest(store.of(sport))
        worst = [m for m in newest if m.quarantined > MAX_QUARANTINED * m.rows]
        return dg.AssetCheckResult(
            passed=not worst,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(f"{m.batch_id}: {m.quarantined:,} of {m.rows:,} rows in quarantine" for m in worst),
            metadata={"batches": len(newest), "quarantined": sum(m.quarantined for m in newest)},
        )

    @dg.asset_check(asset=asset, description="No shot is in the lake twice.")
    def duplicates(store: StoreResource) -> dg.AssetCheckResult:
        ids = _shots(store.of(sport), ["_id"]).get("_id", np.empty(0))
        twice = len(ids) - len(np.unique(ids.astype(str)))
        return dg.AssetCheckResult(
            passed=twice == 0,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={"shots": len(ids), "ids_used_twice": twice},
        )

    @dg.asset_check(asset=asset, description="Coordinates agree with the stated distance on at least 99 % of shots.")
    def location(store: StoreResource) -> dg.AssetCheckResult:
        shots = _shots(store.of(sport), list(sport.fields))
        agreement = sport.check_location(shots) if shots else 1.0
        return dg.AssetCheckResult(
            passed=agreement >= MIN_LOCATION_AGREEMENT,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"agreement": agreement},
        )

    @dg.asset_check(asset=asset, description="The make rate lies between 35 % and 60 %.")
    def make_rate(store: StoreResource) -> dg.AssetCheckResult:
        made = _shots(store.of(sport), ["made"]).get("made", np.empty(0))
        rate = float(made.mean()) if len(made) else float("nan")
        low, high = PLAUSIBLE_MAKE_RATE
        return dg.AssetCheckResult(
            passed=len(made) < MIN_SHOTS_FOR_RATE or low <= rate <= high,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"shots": len(made), "make_rate": rate},
        )

    return [contract, duplicates, location, make_rate]


def _newest(store: Store) -> list[Manifest]:
    """The batches that the warehouse hasn't folded yet, or the last one."""
    manifests, folded = store.manifests(), set(store.warehouse_state().batches)
    return [m for m in manifests if m.batch_id not in folded] or manifests[-1:]


def _shots(store: Store, columns: list[str]) -> Columns:
    """Columns of all shots on the days of the newest batches."""
    from parivision_assets.steps.folding import columns_of

    newest = _newest(store)
    first = [m.first_date for m in newest if m.first_date]
    last = [m.last_date for m in newest if m.last_date]
    return columns_of(store.lake(columns, min(first), max(last))) if first else {}
