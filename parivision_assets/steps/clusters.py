"""Means over shots with cluster-robust uncertainty by game: shots of one game share shooters, defence and recorders."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 1000
SEED = 11


def mean_and_error(values: NDArray[np.floating], game: NDArray[np.generic]) -> tuple[float, float]:
    """Mean of values (n,) and its standard error when whole games (n,) are drawn; NaN for fewer than two games."""
    mean = float(np.mean(values))
    _, index = np.unique(game, return_inverse=True)
    residuals = np.bincount(index, weights=np.asarray(values, dtype=np.float64) - mean)
    games = len(residuals)
    if games < 2:
        return mean, float("nan")
    return mean, float(np.sqrt(games / (games - 1) * np.sum(residuals**2)) / len(values))


def intervals(
    values: dict[str, NDArray[np.floating]], game: NDArray[np.generic], level: float = 0.95
) -> dict[str, tuple[float, float]]:
    """Percentile interval of the mean of each list of values (n,), by drawing whole games (n,) with replacement."""
    _, index = np.unique(game, return_inverse=True)
    shots = np.bincount(index)
    games = len(shots)
    draws = np.random.default_rng(SEED).multinomial(games, np.full(games, 1 / games), size=RESAMPLES)
    drawn = draws @ shots
    ends = [(1 - level) / 2, (1 + level) / 2]
    found = {}
    for name, each in values.items():
        low, high = np.quantile(draws @ np.bincount(index, weights=each) / drawn, ends)
        found[name] = (float(low), float(high))
    return found
