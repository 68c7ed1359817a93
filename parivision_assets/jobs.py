"""Jobs a person starts: a refresh of everything behind the lake, and the champion's rollback."""

from typing import TYPE_CHECKING

import dagster as dg

from parivision_assets.keys import (
    DRIFT_TAG,
    JUDGING_TAG,
    TRAINING_TAG,
    champion_model_key,
    drift_report_key,
    named,
    searched_parameters_key,
    shot_features_key,
    trained_model_key,
)
from parivision_assets.resources import RegistryResource, StoreResource
from parivision_core.problems import PariVisionError
from parivision_core.sport import Sport

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


class RollbackConfig(dg.Config):
    """Where to go back to."""

    version: int | None = None
    """A registered version; by default the one that the champion followed."""


def refresh_job(sport: Sport) -> "UnresolvedAssetJobDefinition":
    """Features, training, verdict and promotion in one run."""
    keys = [shot_features_key(sport), trained_model_key(sport), champion_model_key(sport)]
    return dg.define_asset_job(
        named(sport, "refresh"),
        selection=dg.AssetSelection.assets(*keys),
        description="Bring the warehouse up to date, train a candidate, judge it, promote it if proven better.",
        tags={TRAINING_TAG: sport.name},
    )


def search_job(sport: Sport) -> "UnresolvedAssetJobDefinition":
    """A search for better parameters, which the next training uses."""
    return dg.define_asset_job(
        named(sport, "search"),
        selection=dg.AssetSelection.assets(searched_parameters_key(sport)),
        description="Try parameters of the boosted trees for a bounded time. The next candidate is trained with the "
        "best if they are proven better than the defaults.",
    )


def judge_job(sport: Sport) -> "UnresolvedAssetJobDefinition":
    """A look at the candidates that aren't decided yet; nothing is trained."""
    return dg.define_asset_job(
        named(sport, "judge"),
        selection=dg.AssetSelection.assets(champion_model_key(sport)),
        description="Judge the open candidates on the games that have come since, and promote the first that is proven "
        "better.",
        tags={JUDGING_TAG: sport.name},
    )


def drift_job(sport: Sport) -> "UnresolvedAssetJobDefinition":
    """The drift report, which is never part of another run."""
    return dg.define_asset_job(
        named(sport, "drift"),
        selection=dg.AssetSelection.assets(drift_report_key(sport)),
        description="Compare the champion's training window with the newest shots.",
        tags={DRIFT_TAG: sport.name},
    )


def rollback_job(sport: Sport) -> dg.JobDefinition:
    """Put an earlier version back on the throne."""

    @dg.op(name=named(sport, "put_back_champion"))
    def put_back(
        context: dg.OpExecutionContext, config: RollbackConfig, registry: RegistryResource, store: StoreResource
    ) -> None:
        from parivision_assets.steps.promotion.promoting import roll_back

        models = registry.of(sport)
        try:
            outcome = roll_back(models, store.of(sport), config.version)
        except PariVisionError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
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
