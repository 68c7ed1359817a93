"""Calibrators: none for a calibrated model, the right one for a distorted model, none that reverses the order."""

from __future__ import annotations

import numpy as np
import pytest

from parivision_assets.steps.training.calibrating import Calibrator, Trial, calibrate
from parivision_core.scoring import logit, losses, sigmoid


def games(seed: int, count: int = 200, shots: int = 80) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes, their true probabilities and games, each (n,)."""
    rng = np.random.default_rng(seed)
    truth = sigmoid(rng.normal(-0.1, 0.6, count * shots))
    return (rng.random(len(truth)) < truth).astype(np.int8), truth, np.repeat(np.arange(count), shots)


def test_a_calibrated_model_rarely_gets_a_calibrator_and_never_a_harmful_one() -> None:
    used = 0
    for seed in range(20):
        made, truth, game = games(seed, shots=40)
        calibrator, _ = calibrate(made, truth, game)
        if calibrator is not None:
            used += 1
            fresh, fresh_truth, _ = games(1000 + seed)
            assert losses(fresh, calibrator(fresh_truth)).mean() - losses(fresh, fresh_truth).mean() < 3e-4
    assert used <= 3  # the better of two families, each by more than two standard errors


def test_an_over_confident_model_is_calibrated() -> None:
    made, truth, game = games(1)
    calibrator, trials = calibrate(made, sigmoid(1.8 * logit(truth) + 0.2), game)
    assert calibrator is not None
    assert {trial.family for trial in trials} == {"platt", "beta"}
    fresh, fresh_truth, _ = games(2)
    calibrated = calibrator(sigmoid(1.8 * logit(fresh_truth) + 0.2))
    assert np.abs(calibrated - fresh_truth).mean() < 0.02
    assert losses(fresh, calibrated).mean() < losses(fresh, sigmoid(1.8 * logit(fresh_truth) + 0.2)).mean()


def test_makes_and_misses_may_need_other_weights() -> None:
    """A distortion that no straight line in log odds undoes."""
    made, truth, game = games(3, count=400)
    distorted = Calibrator("beta", 2.5, 0.5, 0.8)(truth)
    calibrator, _ = calibrate(made, distorted, game)
    assert calibrator is not None
    assert calibrator.family == "beta"
    assert np.abs(calibrator(distorted) - truth).mean() < 0.02


def test_a_reversed_model_is_not_calibrated() -> None:
    """A model whose order is reversed is broken; a calibrator that repaired it would hide that."""
    made, truth, game = games(4)
    calibrator, trials = calibrate(made, 1 - truth, game)
    assert calibrator is None
    assert any(trial.wins for trial in trials)


def test_too_few_games_calibrate_nothing() -> None:
    assert calibrate(np.array([0, 1, 1]), np.array([0.4, 0.5, 0.6]), np.array([1, 1, 2])) == (None, [])
    assert calibrate(np.array([1]), np.array([0.4]), np.array([1])) == (None, [])


@pytest.mark.parametrize(("gain", "wins"), [(0.0021, True), (0.0019, False), (-0.003, False)])
def test_a_gain_counts_beyond_two_standard_errors(gain: float, wins: bool) -> None:
    assert Trial("platt", gain, 0.001).wins == wins
    assert ("not used" in str(Trial("platt", gain, 0.001))) != wins


def test_certainty_stays_finite() -> None:
    assert np.isfinite(Calibrator("beta", 2.0, 3.0, -1.0)(np.array([0.0, 1.0]))).all()
