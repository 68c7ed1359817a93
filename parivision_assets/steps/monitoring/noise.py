"""How far apart two windows are although nothing changed: a threshold for each column, measured on the reference alone.

Shots of one game share shooters, defence and scorers, so whole games are sampled. The distances of thousands of samples
are a matrix product, because the counts of a sample are the sum of its games' counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parivision_assets.steps.monitoring.columns import DriftColumn, Method
from parivision_core.arrays import Columns

Array = NDArray[np.floating[Any]]

FALSE_ALARMS = 0.05
"""Share of reports without any change in which some watched column may alarm."""
RESAMPLES = 1000
PERIODS = 4
"""Periods of consecutive games that begin within the length of one."""
BINS = 200
SMALLEST_DEVIATION = 0.001
"""Evidently's, for a column that never varies."""
SEED = 7


@dataclass(frozen=True)
class NoiseTally:
    """What each game contributes to a column's distribution, (games, k); a window is a sum over games."""

    counts: Array
    distance: Callable[[Array, Array], Array]
    """Sums (r, k) of two windows each -> their distances (r,), equal to what Evidently computes on the shots."""


def thresholds(
    columns: Sequence[DriftColumn], reference: Columns, game: NDArray[Any], newest_games: int
) -> dict[str, float]:
    """Distance from which on each column counts as drifted.

    `reference` holds columns (n,) in order of time with the game of each shot, `game` (n,). Rows of judged columns
    that are NaN are left out. The threshold is the largest of three: a high quantile over random samples of as many
    games as are new (both windows drawn with replacement, because the reference is a sample, too), so that all watched
    columns together raise a false alarm in at most one report of twenty (Bonferroni); the most distant period of
    consecutive games from the rest of the reference, because the champion has learned changes within it; and the
    column's margin.
    """
    level = 1 - FALSE_ALARMS / sum(column.watched for column in columns)
    all_games = _Games(in_order(game), newest_games)
    found = {}
    for column in columns:
        values, games = reference[column.name], all_games
        if column.judged:
            rows = np.isfinite(values)
            values, games = values[rows], _Games(in_order(game[rows]), newest_games)
        found[column.name] = games.threshold(column, values, level)
    return found


def tally(method: Method, values: NDArray[Any], game: NDArray[np.int64]) -> NoiseTally:
    """Each game's contribution to a column (n,); `game` (n,) counts from 0."""
    games = int(game.max()) + 1
    if method == "mean_shift":
        return NoiseTally(np.stack([np.bincount(game), np.bincount(game, weights=values)], axis=1), _mean_shift)
    if method == "jensenshannon":
        names, place = np.unique(values, return_inverse=True)
        return NoiseTally(_by_game(game, games, place, len(names)), _jensenshannon)
    grid = np.unique(values)
    exact = len(grid) <= BINS
    if not exact:
        grid = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)))
    widths = np.diff(grid) / max(float(values.std()), SMALLEST_DEVIATION)

    def wasserstein(a: Array, b: Array) -> Array:
        gap = np.abs(np.cumsum(_shares(a), axis=1) - np.cumsum(_shares(b), axis=1))
        # Between two adjacent values the gap is constant; between two quantiles it is about linear.
        found: Array = (gap[:, :-1] if exact else (gap[:, :-1] + gap[:, 1:]) / 2) @ widths
        return found

    return NoiseTally(_by_game(game, games, np.searchsorted(grid, values), len(grid)), wasserstein)


class _Games:
    """Samples and periods of the reference's games, drawn once for all columns."""

    def __init__(self, game: NDArray[np.int64], newest: int) -> None:
        self.game, count = game, int(game.max()) + 1
        rng = np.random.default_rng(SEED)
        even = np.full(count, 1 / count)
        # Single precision is twice as fast, and exact for counts of fewer than 16 million shots.
        self.samples = rng.multinomial(newest, even, size=RESAMPLES).astype(np.float32)
        self.references = rng.multinomial(count, even, size=RESAMPLES).astype(np.float32)
        starts = range(0, count - newest + 1, max(1, newest // PERIODS)) if count >= 2 * newest else range(0)
        self.periods = np.zeros((len(starts), count), dtype=np.float32)
        for row, start in zip(self.periods, starts, strict=True):
            row[start : start + newest] = 1

    def threshold(self, column: DriftColumn, values: NDArray[Any], level: float) -> float:
        """See thresholds; `level` is the quantile of the samples."""
        drawn = tally(column.method, values, self.game)
        noise = drawn.distance(self.samples @ drawn.counts, self.references @ drawn.counts)
        found = [float(np.quantile(noise, level)), column.margin]
        if len(self.periods):
            period = self.periods @ drawn.counts
            found.append(float(drawn.distance(period, drawn.counts.sum(axis=0) - period).max()))
        return max(found)


def in_order(game: NDArray[Any]) -> NDArray[np.int64]:
    """Number of each row's game (n,), from 0, in the order in which the games first occur."""
    _, first, place = np.unique(game, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[place]


def _by_game(game: NDArray[np.int64], games: int, place: NDArray[Any], width: int) -> Array:
    return np.bincount(game * width + place, minlength=games * width).reshape(games, width).astype(np.float32)


def _shares(counts: Array) -> Array:
    shares: Array = counts / counts.sum(axis=1, keepdims=True, dtype=np.float64)
    return shares


def _mean_shift(a: Array, b: Array) -> Array:
    return np.abs(a[:, 1] / a[:, 0] - b[:, 1] / b[:, 0])


def _jensenshannon(a: Array, b: Array) -> Array:
    p, q = _shares(a), _shares(b)
    middle = (p + q) / 2
    # A share of 0 contributes nothing, so whatever it is divided by doesn't matter.
    terms = [s * np.log(np.where(s > 0, s, 1) / np.where(s > 0, middle, 1)) for s in (p, q)]
    found: Array = np.sqrt(np.maximum((terms[0] + terms[1]).sum(axis=1) / 2, 0))
    return found
