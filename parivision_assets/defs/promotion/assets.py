"""`champion_model`: the one asset that moves the alias, and only on a passed, current verdict."""

from collections.abc import Iterator

import dagster as dg

from parivision_assets.automation import when_trained_alone
from parivision_assets.candidates import candidate_of
from parivision_assets.keys import OWNERS, champion_model_key, trained_model_key
from parivision_assets.resources import RegistryResource, StoreResource
from parivision_core.sport import Sport


def build(sport: Sport) -> dg.AssetsDefinition:
    """The asset for one sport."""

    @dg.asset(
        key=champion_model_key(sport),
        deps=[trained_model_key(sport)],
        # A refusal keeps the champion: the run is green, the asset isn't materialised.
        output_required=False,
        automation_condition=when_trained_alone(),
        group_name="promotion",
        kinds={"mlflow"},
        owners=OWNERS,
        description="The model that is served. It changes only when a candidate was proven better than the champion of "
        "the day on the same unseen games; otherwise it stays as it is and the reason is on record.",
        metadata={"registered_model": sport.registered_model},
    )
    def champion_model(
        context: dg.AssetExecutionContext, registry: RegistryResource, store: StoreResource
    ) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        from parivision_assets.steps.promoting import promote

        models, ledger = registry.of(sport), store.of(sport)
        candidate = candidate_of(context.run_id, context.instance, models, sport)
        if candidate is None:
            context.log.warning("not yet: no candidate is registered")
            return
        outcome = promote(candidate, models, ledger, registry.judge(ledger, sport))
        context.log.info(f"{outcome.result}: {outcome.reason}")
        metadata = {"candidate": candidate, "result": outcome.result, "reason": outcome.reason, "epoch": outcome.epoch}
        if outcome.result == "promoted":
            yield dg.MaterializeResult(metadata={"version": candidate, **metadata})
        else:
            context.log_event(dg.AssetObservation(context.asset_key, description=outcome.reason, metadata=metadata))

    return champion_model
