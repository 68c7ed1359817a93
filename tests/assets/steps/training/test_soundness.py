"""The leak check: no alarm for honest models however games differ, an alarm when features contain the outcome."""

from __future__ import annotations

import numpy as np

from parivision_assets.steps.training import fitting
from parivision_assets.steps.training.soundness import leaks
from parivision_core.nba.shots import NBA
from parivision_core.scoring import sigmoid
from tests.helpers.bundles import rows

GAMES, SHOTS = 60, 80
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def calibrated(rng: np.random.Generator, spread: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes, the best possible predictions, and games, which have good and bad days."""
    game = np.repeat(np.arange(GAMES), SHOTS)
    log_odds = rng.normal(-0.1, 0.7, len(game))
    today = spread * rng.standard_normal(GAMES)[game]
    made = rng.random(len(game)) < sigmoid(log_odds + today)
    predicted = sigmoid(log_odds[:, None] + spread * NODES) @ WEIGHTS
    return made.astype(np.int8), predicted, game


def test_honest_models_raise_few_false_alarms() -> None:
    """One in a thousand is intended; 7 or more of 2,000 would happen by chance once in two hundred times."""
    rng = np.random.default_rng(3)
    alarms = sum(
        bool(leaks(*calibrated(rng, spread), NBA.plausible_accuracy)) for spread in (0.0, 0.3) for _ in range(1000)
    )
    assert alarms <= 6


def test_a_leak_that_training_did_not_see_is_found() -> None:
    """On unseen games a feature is computed from the outcome; the model trusts it as it learned to."""
    model = fitting.fit_logistic(rows(6000, 0), rows(10, 1), NBA)
    unseen, game = rows(GAMES * SHOTS, 2), np.repeat(np.arange(GAMES), SHOTS)
    honest = model.predict(unseen.features, unseen.offset)
    assert leaks(unseen.made, honest, game, NBA.plausible_accuracy) == []
    planted = unseen.features.copy()
    planted[:, 3] += 1.0 * (unseen.made - 0.5)
    (alarm,) = leaks(unseen.made, model.predict(planted, unseen.offset), game, 0.9)
    assert "its own probabilities imply" in alarm
    assert "a feature may know the outcome: look for" in alarm


def test_a_leak_that_training_saw_too_is_found_by_what_is_plausible() -> None:
    """Its own probabilities are right, but such an accuracy isn't plausible."""
    rng = np.random.default_rng(4)
    game = np.repeat(np.arange(GAMES), SHOTS)
    predicted = sigmoid(rng.normal(0, 3, len(game)))
    made = (rng.random(len(game)) < predicted).astype(np.int8)
    (alarm,) = leaks(made, predicted, game, NBA.plausible_accuracy)
    assert f"above the {NBA.plausible_accuracy:.3f} that is plausible in this sport" in alarm


def test_a_single_game_proves_nothing() -> None:
    assert leaks(np.ones(5), np.full(5, 0.9), np.zeros(5), 0.66) == []
