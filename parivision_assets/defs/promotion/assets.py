"""`champion_model`: the one asset that moves the alias, and only on a passed, current verdict."""

from collections.abc import Iterator

import dagster as dg

from parivision_assets.orchestration.automation import when_trained_alone
from parivision_assets.orchestration.candidates import candidate_of
from parivision_assets.orchestration.failures import fails_in_words
from parivision_assets.orchestration.keys import OWNERS, champion_model_key, trained_model_key
from parivision_assets.resources import RegistryResource, StoreResource
from parivision_core.sport import Sport


def build(sport: Sport) -> dg.AssetsDefinition:
    """The asset for one sport."""

    @dg.asset(
        key=champion_model_key(sport),
        deps=[trained_model_key(sport)],
        # A refusal keeps the champion: the run succeeds without materializing the asset.
        output_required=False,
        automation_condition=when_trained_alone(),
        group_name="promotion",
        kinds={"mlflow"},
        owners=OWNERS,
        description="The model that is served. It changes only when a candidate was proven better than the current "
        "champion on the same unseen games; otherwise it stays and the reason is recorded. Each run judges every "
        "candidate that isn't decided yet.",
        metadata={"registered_model": sport.registered_model},
    )
    @fails_in_words
    def champion_model(
        context: dg.AssetExecutionContext, registry: RegistryResource, store: StoreResource
    ) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        from parivision_assets.steps.promotion.promoting import look_again
        from parivision_assets.steps.promotion.verdict import warning

        if text := warning(registry.gate):
            context.log.warning(text)
        models, ledger = registry.of(sport), store.of(sport)
        own = candidate_of(context.run_id, context.instance, models, sport)
        looks = look_again(own, models, ledger, registry.judge(ledger, sport))
        if not looks.outcomes and not looks.problems:
            context.log.warning("not yet: no candidate is registered")
        promoted = [outcome for outcome in looks.outcomes if outcome.result == "promoted"][-1:]
        # The result of the run's own candidate comes last: it is the run's result.
        for outcome in sorted(looks.outcomes, key=lambda outcome: outcome.candidate == own):
            context.log.info(f"{outcome.result}: {outcome.reason}")
            metadata = {
                "candidate": outcome.candidate,
                "result": outcome.result,
                "reason": outcome.reason,
                "epoch": outcome.epoch,
            }
            if outcome in promoted:
                yield dg.MaterializeResult(metadata={"version": outcome.candidate, **metadata})
            else:
                context.log_event(dg.AssetObservation(context.asset_key, description=outcome.reason, metadata=metadata))
        for problem in looks.problems:
            context.log.error(f"one candidate couldn't be judged: {problem}")
        if looks.problems:
            raise looks.problems[0]

    return champion_model
