"""Checks on the warehouse. They block: no model may be trained on a broken one."""

import dagster as dg
import numpy as np

from parivision_assets.orchestration.failures import fails_in_words
from parivision_assets.orchestration.keys import shot_features_key
from parivision_assets.resources import StoreResource
from parivision_core.sport import Sport

FEW_SHOTS = 100
"""With fewer shots, a single outcome is no sign of a broken warehouse."""


def build(sport: Sport) -> list[dg.AssetChecksDefinition]:
    """The checks for one sport; values are checked on the parts that a model is trained on."""
    asset = shot_features_key(sport)

    @dg.asset_check(
        asset=asset, blocking=True, description="The warehouse has the columns and base table of this code."
    )
    @fails_in_words
    def schema(store: StoreResource) -> dg.AssetCheckResult:
        warehouse = store.of(sport)
        state, columns = warehouse.warehouse_state(), warehouse.warehouse(parts=_window(store, sport)).column_names
        missing = [name for name in sport.feature_names if name not in columns]
        return dg.AssetCheckResult(
            passed=not missing and (state.schema, state.base_fingerprint) == (sport.schema, sport.base_fingerprint),
            metadata={"missing": missing, "schema": state.schema, "expected": sport.schema},
        )

    @dg.asset_check(asset=asset, blocking=True, description="Every feature of every shot is a finite number.")
    @fails_in_words
    def nulls(store: StoreResource) -> dg.AssetCheckResult:
        table = store.of(sport).warehouse(["offset", *sport.feature_names], _window(store, sport))
        bad = {name: int((~np.isfinite(table[name].to_numpy())).sum()) for name in table.column_names}
        bad = {name: count for name, count in bad.items() if count}
        return dg.AssetCheckResult(passed=not bad, metadata={"not_finite": bad, "rows": table.num_rows})

    @dg.asset_check(asset=asset, blocking=True, description="There are both makes and misses, and nothing else.")
    @fails_in_words
    def both_outcomes(store: StoreResource) -> dg.AssetCheckResult:
        made = store.of(sport).warehouse(["made"], _window(store, sport))["made"].to_numpy()
        values = sorted({int(value) for value in np.unique(made)})
        return dg.AssetCheckResult(
            passed=values == [0, 1] or (len(made) < FEW_SHOTS and set(values) <= {0, 1}),
            metadata={"values": values, "make_rate": float(made.mean())},
        )

    return [schema, nulls, both_outcomes]


def _window(store: StoreResource, sport: Sport) -> list[str]:
    """The parts that a model is trained on; the newest one alone may hold a single shot."""
    from parivision_assets.steps.training.loading import window_of

    return window_of(store.of(sport))
