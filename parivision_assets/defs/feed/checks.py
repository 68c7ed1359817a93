"""Checks on the batches ingested last: contract, identity, locations, outcomes. They never block a batch."""

from collections.abc import Iterator

import dagster as dg
import numpy as np

from parivision_assets.orchestration.keys import raw_shots_key
from parivision_core.arrays import Columns
from parivision_core.records import Manifest
from parivision_core.sport import Sport
from parivision_core.store.base import Store

MAX_QUARANTINED = 0.001
MIN_LOCATION_AGREEMENT = 0.99
PLAUSIBLE_MAKE_RATE = (0.35, 0.60)
MIN_SHOTS_FOR_RATE = 500
"""With fewer shots, the rate can leave the plausible range by chance."""

DESCRIPTIONS = {
    "contract": "At most 0.1 % of a batch's rows break the contract.",
    "duplicates": "No shot is in the lake twice.",
    "location": "Coordinates agree with the stated distance on at least 99 % of shots.",
    "make_rate": "The make rate lies between 35 % and 60 %.",
}


def specs(sport: Sport) -> list[dg.AssetCheckSpec]:
    """The checks, which the asset itself executes, so that they also cover the sound batches of a run that fails."""
    asset = raw_shots_key(sport)
    return [dg.AssetCheckSpec(name, asset=asset, description=text) for name, text in DESCRIPTIONS.items()]


def results(store: Store, sport: Sport) -> Iterator[dg.AssetCheckResult]:
    """Result of each check on the newest batches."""
    newest = _newest(store)
    shots = _shots(store, newest, ["_id", *sport.fields])
    warn = dg.AssetCheckSeverity.WARN
    worst = [m for m in newest if m.quarantined > MAX_QUARANTINED * m.rows]
    yield dg.AssetCheckResult(
        check_name="contract",
        passed=not worst,
        severity=warn,
        description="; ".join(f"{m.batch_id}: {m.quarantined:,} of {m.rows:,} rows in quarantine" for m in worst),
        metadata={"batches": len(newest), "quarantined": sum(m.quarantined for m in newest)},
    )
    ids = shots.get("_id", np.empty(0))
    twice = len(ids) - len(np.unique(ids.astype(str)))
    yield dg.AssetCheckResult(
        check_name="duplicates",
        passed=twice == 0,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"shots": len(ids), "ids_used_twice": twice},
    )
    agreement = sport.check_location(shots) if shots else 1.0
    yield dg.AssetCheckResult(
        check_name="location",
        passed=agreement >= MIN_LOCATION_AGREEMENT,
        severity=warn,
        metadata={"agreement": agreement},
    )
    made = shots.get("made", np.empty(0))
    rate, (low, high) = float(made.mean()) if len(made) else float("nan"), PLAUSIBLE_MAKE_RATE
    yield dg.AssetCheckResult(
        check_name="make_rate",
        passed=len(made) < MIN_SHOTS_FOR_RATE or low <= rate <= high,
        severity=warn,
        metadata={"shots": len(made), "make_rate": rate},
    )


def _newest(store: Store) -> list[Manifest]:
    """The batches that the warehouse hasn't folded yet, or the last one."""
    manifests, folded = store.manifests(), set(store.warehouse_state().batches)
    return [m for m in manifests if m.batch_id not in folded] or manifests[-1:]


def _shots(store: Store, batches: list[Manifest], columns: list[str]) -> Columns:
    """Columns of all shots on the days of some batches."""
    from parivision_assets.steps.features.folding import columns_of

    found = [store.lake(["game_date"], batch=m.batch_id) for m in batches if m.inserted]
    days = {day for table in found if table.num_rows for day in table["game_date"].unique().to_pylist()}
    return columns_of(store.lake(columns, days=days)) if days else {}
