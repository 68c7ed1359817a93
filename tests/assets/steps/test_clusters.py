"""Uncertainty by game: a standard error that a simulation confirms, and intervals that cover the truth."""

from __future__ import annotations

import numpy as np
import pytest

from parivision_assets.steps.clusters import intervals, mean_and_error
from parivision_assets.steps.training.measuring import measure


def draw(seed: int, games: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Values whose games differ, so that shots of one game aren't independent; the true mean is 0."""
    rng = np.random.default_rng(seed)
    shots = rng.integers(60, 100, games)
    game = np.repeat(np.arange(games), shots)
    return rng.normal(0, 1, games)[game] + rng.normal(0, 1, len(game)), game


def test_the_error_is_how_far_means_scatter() -> None:
    means, errors = np.array([mean_and_error(*draw(seed)) for seed in range(400)]).T
    assert errors.mean() == pytest.approx(means.std(), rel=0.1)
    values, _ = draw(0)
    assert errors.mean() > 5 * values.std() / np.sqrt(len(values))  # what it would be for independent shots


def test_an_interval_covers_the_truth_at_its_level() -> None:
    held = 0
    for seed in range(200):
        values, game = draw(seed)
        low, high = intervals({"value": values}, game)["value"]
        held += low <= 0 <= high
    assert 0.9 <= held / 200 <= 0.98


def test_one_game_has_no_error() -> None:
    mean, error = mean_and_error(np.array([1.0, 2.0]), np.array([7, 7]))
    assert mean == 1.5
    assert np.isnan(error)


def test_scores_come_with_intervals_and_reliability() -> None:
    rng = np.random.default_rng(1)
    p = rng.uniform(0.2, 0.8, 8000)
    made = (rng.random(8000) < p).astype(np.int8)
    measured = measure(made, p, np.repeat(np.arange(100), 80))
    for name, (low, high) in measured.intervals.items():
        assert low < getattr(measured.scores, name) < high
    assert set(measured.intervals) == {"log_loss", "brier", "accuracy"}
    assert sum(b.count for b in measured.reliability) == 8000
