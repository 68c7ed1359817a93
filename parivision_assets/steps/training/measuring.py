"""Measuring a model's predictions on one set of shots: scores, their intervals, and a reliability table."""

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


def by_request_profile(features: Float32s, sport: Sport) -> dict[str, Float32s]:
    """Features (n, k) of the full record, and masked for each profile that always leaves out the same inputs."""
    masked = {
        name: sport.masked_as(name, features)
        for name, profile in sport.profiles.items()
        if set(profile.leaves_out.values()) == {1.0}
    }
    return {"unseen": features, **masked}
