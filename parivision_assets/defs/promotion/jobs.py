"""Jobs that may change the champion without a training: judging open candidates again, and the rollback."""

from typing import TYPE_CHECKING

import dagster as dg

from parivision_assets.orchestration.failures import fails_in_words
from parivision_assets.orchestration.keys import JUDGING_TAG, champion_model_key, named
from parivision_assets.resources import RegistryResource, StoreResource
from parivision_core.sport import Sport

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


class RollbackConfig(dg.Config):
    """The version to go back to."""

    version: int | None = None
    """A registered version; by default the champion's predecessor."""


def judge_job(sport: Sport) -> "UnresolvedAssetJobDefinition":
    """Judges the candidates that aren't decided yet; nothing is trained."""
    return dg.define_asset_job(
        named(sport, "judge"),
        selection=dg.AssetSelection.assets(champion_model_key(sport)),
        description="Judge the open candidates on the games that have come since, and promote the first that is proven "
        "better.",
        tags={JUDGING_TAG: sport.name},
    )


def rollback_job(sport: Sport) -> dg.JobDefinition:
    """Moves the alias back to an earlier version."""

    @dg.op(name=named(sport, "put_back_champion"))
    @fails_in_words
    def put_back(
        context: dg.OpExecutionContext, config: RollbackConfig, registry: RegistryResource, store: StoreResource
    ) -> None:
        from parivision_assets.steps.promotion.promoting import roll_back

        models = registry.of(sport)
        outcome = roll_back(models, store.of(sport), config.version)
        context.log.info(outcome.reason)
        context.log_event(
            dg.AssetMaterialization(
                champion_model_key(sport),
                description=outcome.reason,
                metadata={"version": models.champion() or 0, "epoch": outcome.epoch, "result": "rolled back"},
            )
        )

    @dg.job(
        name=named(sport, "rollback_champion"),
        executor_def=dg.in_process_executor,
        description="Move the alias back to the champion's predecessor, or to the configured version. Verdicts passed "
        "so far are stale from then on.",
    )
    def rollback() -> None:
        put_back()

    return rollback
