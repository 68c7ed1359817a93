"""The current champion's scores on games that it hasn't seen, beside the league's average and a constant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from parivision_assets.steps.features.folding import OFFSET, current_state, matrix_of
from parivision_core import scoring
from parivision_core.bundle import Bundle
from parivision_core.problems import BundleError, NotEnoughGamesError
from parivision_core.sport import Sport
from parivision_core.store.base import Store


@dataclass(frozen=True)
class Evaluation:
    """Scores on the same unseen shots."""

    first_date: str
    last_date: str
    games: int
    scores: dict[str, scoring.Scores]
    """By name of the predictor; the champion once for each request profile that always leaves out the same inputs."""
    reliability: list[scoring.Bin]
    """Of the champion's predictions from the full record."""


def evaluate(champion: Bundle, store: Store, sport: Sport) -> Evaluation:
    """Score a bundle, as it would be served, on all games later than the last that it was chosen on.

    Raises NotEnoughGamesError when there are none, BundleError for a bundle with other features than the warehouse.
    """
    current_state(store, sport)
    if not champion.fits(sport.schema, sport.base_fingerprint):
        raise BundleError("the champion was trained on other features than the warehouse has; run `make refresh`")
    seen_until = champion.card.provenance.seen_until
    parts = [part for part in store.warehouse_parts() if part >= sport.part_of(seen_until)]
    table = store.warehouse(["game_date", "game_id", "made", OFFSET, *sport.feature_names], parts)
    unseen = table.filter(pc.greater(table["game_date"], seen_until)) if table.num_rows else table
    if not unseen.num_rows:
        raise NotEnoughGamesError(f"there are no games since {seen_until}; ingest newer ones")
    features, offset = matrix_of(unseen, sport)
    made = unseen["made"].to_numpy()
    full = champion.predict(features, offset)
    predicted: dict[str, np.ndarray] = {
        **{
            f"champion, {name}": champion.predict(sport.masked_as(name, features), offset)
            for name, profile in sport.profiles.items()
            if set(profile.leaves_out.values()) <= {1.0}
        },
        "league's average there": scoring.sigmoid(offset),
        "constant": np.full(len(made), made.mean()),
    }
    days = pc.min_max(unseen["game_date"]).as_py()
    return Evaluation(
        first_date=days["min"],
        last_date=days["max"],
        games=len(np.unique(unseen["game_id"].to_numpy())),
        scores={name: scoring.score(made, p) for name, p in predicted.items()},
        reliability=scoring.reliability(made, full),
    )
