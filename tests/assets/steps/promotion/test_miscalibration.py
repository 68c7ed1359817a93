"""Calibration compared on the same games: the measures are those of scoring, and noise isn't taken for a difference."""

from __future__ import annotations

import numpy as np
import pytest

from parivision_assets.steps.promotion.miscalibration import compare_calibration
from parivision_core import scoring
from parivision_core.scoring import logit, sigmoid

SHOTS = 170


def games_of(games: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes, games and the true probabilities."""
    rng = np.random.default_rng(seed)
    truth = sigmoid(rng.normal(-0.2, 0.6, games * SHOTS))
    return (rng.random(len(truth)) < truth).astype(int), np.repeat(np.arange(games), SHOTS), truth


def test_the_measures_are_those_of_scoring() -> None:
    made, game, truth = games_of(50, 1)
    sharp = sigmoid(1.4 * logit(truth))
    found = compare_calibration(made, game, sharp, truth)
    assert found.slope.candidate == pytest.approx(scoring.slope(made, sharp))
    assert found.slope.rival == pytest.approx(scoring.slope(made, truth))
    assert found.ece.candidate == pytest.approx(scoring.ece(made, sharp))
    assert found.ece.rival == pytest.approx(scoring.ece(made, truth))


def test_over_and_under_confidence_are_both_worse_and_an_improvement_is_not() -> None:
    made, game, truth = games_of(200, 2)
    for factor in (0.75, 1.3):
        off = sigmoid(factor * logit(truth))
        worse = compare_calibration(made, game, off, truth)
        assert worse.slope.worse > worse.slope.at_least > 0.1
        assert worse.ece.at_least > 0.002
        better = compare_calibration(made, game, truth, off)
        assert better.slope.at_least < better.slope.worse < 0
        assert better.ece.at_least < 0


def test_a_shift_shows_in_the_error_and_not_in_the_slope() -> None:
    made, game, truth = games_of(200, 3)
    found = compare_calibration(made, game, sigmoid(logit(truth) + 0.15), truth)
    assert found.ece.at_least > 0.01
    assert abs(found.slope.worse) < 0.01


def test_the_lower_end_is_above_the_truth_once_in_twenty() -> None:
    """Of two models with the same errors, one must rarely be found worse."""
    certain = {"slope": 0, "ece": 0}
    for seed in range(100):
        made, game, truth = games_of(60, seed)
        rng = np.random.default_rng(1000 + seed)
        one, other = (sigmoid(1.2 * logit(truth) + rng.normal(0, 0.1, len(truth))) for _ in range(2))
        found = compare_calibration(made, game, one, other)
        certain["slope"] += found.slope.at_least > 0
        certain["ece"] += found.ece.at_least > 0
    assert certain["slope"] <= 8
    assert certain["ece"] <= 8


def test_noise_that_both_models_share_is_no_evidence() -> None:
    """The champion is over-confident: where luck makes all slopes steep, it looks perfect and a better model worse."""
    certain, looks_worse = 0, 0
    for seed in range(200):
        made, game, truth = games_of(30, seed)
        found = compare_calibration(made, game, truth, sigmoid(1.08 * logit(truth)))
        looks_worse += found.slope.worse > 0.02
        certain += found.slope.at_least > 0.02
    assert looks_worse > 30
    assert certain <= 5


def test_games_not_shots_are_the_unit() -> None:
    """Shots that repeat within a game add no evidence."""
    made, game, truth = games_of(60, 4)
    off = sigmoid(1.2 * logit(truth))
    once = compare_calibration(made, game, off, truth)
    again = compare_calibration(*(np.repeat(a, 10) for a in (made, game, off, truth)))
    assert again.slope.at_least == pytest.approx(once.slope.at_least, abs=1e-3)
    assert again.ece.at_least == pytest.approx(once.ece.at_least, abs=1e-3)


def test_predictions_that_do_not_vary_have_no_slope() -> None:
    made, game, truth = games_of(40, 5)
    found = compare_calibration(made, game, truth, np.full(len(made), made.mean()))
    assert np.isnan(found.slope.at_least)
    assert np.isfinite(found.ece.at_least)
