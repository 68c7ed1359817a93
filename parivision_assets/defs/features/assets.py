"""`shot_features`: the warehouse, one feature row per shot, folded from earlier shots only."""

from collections.abc import Iterator

import dagster as dg

from parivision_assets.orchestration.automation import when_batches_arrive
from parivision_assets.orchestration.failures import fails_in_words
from parivision_assets.orchestration.keys import OWNERS, raw_shots_key, shot_features_key
from parivision_assets.resources import StoreResource
from parivision_core.sport import Sport


def build(sport: Sport, store_kind: str) -> dg.AssetsDefinition:
    """The asset for one sport, kept in a store of this kind."""

    @dg.asset(
        key=shot_features_key(sport),
        deps=[raw_shots_key(sport)],
        output_required=False,
        automation_condition=when_batches_arrive(),
        group_name="features",
        kinds={"numpy", store_kind},
        owners=OWNERS,
        description="What was known before each shot: where it was taken, and the records of shooter, teams and "
        "league so far. The prediction service uses the feature state after the last day.",
        metadata={"collection": sport.warehouse},
    )
    @fails_in_words
    def shot_features(context: dg.AssetExecutionContext, store: StoreResource) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        from parivision_assets.steps.features.folding import update_warehouse

        warehouse = store.of(sport)
        folded = update_warehouse(warehouse, sport, context.log.info)
        if folded.feature_state is None:
            context.log.warning("the lake is empty: put a batch into a feed, for example a season file into the inbox")
            return
        yield dg.MaterializeResult(
            metadata={
                "dagster/row_count": folded.state.rows,
                "folded_parts": ", ".join(folded.parts) or "nothing: up to date",
                "batches": len(folded.state.batches),
                "feature_state_through": folded.feature_state.through or "",
                "feature_state_stamp": folded.feature_state.stamp,
                "schema": sport.schema,
                "features": dg.MetadataValue.json(list(sport.feature_names)),
                "parts": dg.MetadataValue.json(warehouse.warehouse_parts()),
            }
        )

    return shot_features
