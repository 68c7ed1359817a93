"""The models of the original system: its seven inputs, its random forest, and its rule for choosing the champion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from parivision_core.nba import court

ROWS = 1_000
"""Number of shots that it requested from its feed."""
CANDIDATES = 20
"""Trainings among which the rule chooses. The original was run repeatedly by hand, so this number is our choice."""

FIELDS = ("player_id", "x", "y", "seconds_remaining")
"""Columns of the lake from which the inputs are computed."""

Inputs = NDArray[np.float64]


def inputs(shots: pa.Table) -> Inputs:
    """Player id, x, y, seconds left, 2 or 3 points, distance in metres, zone 1-7: (n, 7), from rows of the lake."""
    columns = {name: shots[name].to_numpy().astype(np.float64) for name in FIELDS}
    spots = court.locate(columns["x"], columns["y"])
    derived = [spots.points, spots.distance * court.METRES_PER_TENTH, spots.zone]
    return np.column_stack([*columns.values(), *derived])


@dataclass(frozen=True)
class Trained:
    """One training of the original."""

    model: Any
    training_score: float
    """Accuracy on the rows that it was fitted on; its champion was chosen by this score."""
    test_score: float
    """Accuracy on the random fifth that was held out; reported but not used."""

    def predict(self, features: Inputs) -> NDArray[np.float64]:
        """Probability of a make, (n,), from inputs (n, 7)."""
        return np.asarray(self.model.predict_proba(features)[:, 1], dtype=np.float64)


def train(features: Inputs, made: NDArray[np.generic], seed: int) -> Trained:
    """Fit a forest as the original did: 50-99 trees, depth 1-9, min split 3-5, drawn at random; random 80/20 split."""
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415 - a heavy import

    rng = np.random.default_rng(seed)
    rows = rng.choice(len(made), size=min(ROWS, len(made)), replace=False)
    fitted, held_out = np.split(rows, [int(0.8 * len(rows))])
    model = RandomForestClassifier(
        n_estimators=int(rng.integers(50, 100)),
        max_depth=int(rng.integers(1, 10)),
        min_samples_split=int(rng.integers(3, 6)),
        random_state=seed,
    ).fit(features[fitted], made[fitted])
    return Trained(
        model,
        float(model.score(features[fitted], made[fitted])),
        float(model.score(features[held_out], made[held_out])),
    )


def champion(features: Inputs, made: NDArray[np.generic], candidates: int = CANDIDATES) -> Trained:
    """The training with the highest training score among `candidates`: the original's rule."""
    return max((train(features, made, seed) for seed in range(candidates)), key=lambda trained: trained.training_score)
