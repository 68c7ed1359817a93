"""The refresh, which updates everything downstream of the lake, and the search for better parameters."""

from typing import TYPE_CHECKING

import dagster as dg

from parivision_assets.orchestration.keys import (
    TRAINING_TAG,
    champion_model_key,
    named,
    searched_parameters_key,
    shot_features_key,
    trained_model_key,
)
from parivision_core.sport import Sport

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


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
        description="Try parameters of the boosted trees for a limited time. The next candidate is trained with the "
        "best if they are proven better than the defaults.",
    )
