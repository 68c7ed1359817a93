"""What a model's answers on one set of shots are worth: scores, their intervals, and how reliable each level is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parivision_assets.steps.clusters import intervals
from parivision_core import scoring
from parivision_core.arrays import Float32s
from parivision_core.sport import Sport


@dataclass(frozen=True)
class Measurement:
    """Scores on one set of shots."""

    scores: scoring.Scores
    intervals: dict[str, tuple[float, float]]
    """95 % interval by whole games of log loss, Brier score and accuracy."""
    reliability: list[scoring.Bin]


def measure(made: NDArray[np.generic], probability: NDArray[np.floating], game: NDArray[np.generic]) -> Measurement:
    """Measure probabilities (n,) of shots whose outcome is `made` (n,) and game `game` (n,)."""
    y, p = np.asarray(made, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    each = {"log_loss": scoring.losses(y, p), "brier": (p - y) ** 2, "accuracy": ((p >= 0.5) == (y == 1)).astype(float)}
    return Measurement(scoring.score(y, p), intervals(each, game), scoring.reliability(y, p))


def askings(features: Float32s, sport: Sport) -> dict[str, Float32s]:
    """Features (n, k) with the full record, and as the callers ask who always leave out the same."""
    less = {
        name: sport.asked_by(name, features)
        for name, caller in sport.callers.items()
        if set(caller.leaves_out.values()) == {1.0}
    }
    return {"unseen": features, **less}
