"""The gate's benchmark: its equal models are equal, its better ones are better by the stated gain, and it runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import gate
from benchmarks.gate import CANDIDATE_EVERY, SEASON, measure, originals
from benchmarks.model_pairs import Forests, expected_loss, stretched, truth_between
from parivision_assets.steps.training import fitting
from parivision_core.scoring import logit, recalibration, sigmoid
from tests.helpers import shots


@pytest.fixture(scope="module")
def models() -> list[np.ndarray]:
    """Two models with different errors; one has larger errors and is over-confident."""
    rng = np.random.default_rng(1)
    log_odds = rng.normal(-0.2, 0.6, 20_000)
    return [sigmoid(k * log_odds + rng.normal(0, noise, len(log_odds))) for k, noise in ((1.0, 0.1), (1.3, 0.3))]


@pytest.mark.parametrize("gain", [0.0, 0.002, 0.005])
def test_a_model_is_moved_to_exactly_the_wanted_loss(models: list[np.ndarray], gain: float) -> None:
    truth, (one, other) = truth_between(models)
    wanted = expected_loss(truth, other) + gain
    moved = stretched(truth, one, wanted)
    assert expected_loss(truth, moved) == pytest.approx(wanted, abs=1e-12)
    along = (logit(moved) - logit(truth)) / (logit(one) - logit(truth))
    assert np.ptp(along) < 1e-6  # every shot by the same factor


def test_models_are_calibrated_to_the_truth_and_none_is_better(models: list[np.ndarray]) -> None:
    truth, calibrated = truth_between(models)
    for model in calibrated:
        assert recalibration(truth, model) == pytest.approx([0, 1], abs=1e-6)
        assert expected_loss(truth, model) > expected_loss(truth, truth)
    with pytest.raises(ValueError, match="the true probabilities have a higher one"):
        stretched(truth, calibrated[0], expected_loss(truth, truth) - 1e-6)


def test_the_originals_rule_promotes_by_chance() -> None:
    rng = np.random.default_rng(1)
    score = rng.random(200)
    found = originals(Forests(score, 0.68 + 0.01 * score), rng)  # the higher the score, the worse
    candidates = len(range(0, SEASON - 30, CANDIDATE_EVERY))
    assert found["false_promotion_season"] == pytest.approx(candidates / (candidates + 1), abs=0.02)
    assert (found["power_005"], found["power_002"]) == (0, 0)


def test_it_runs_on_a_single_small_season(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "SEASON", 250)
    monkeypatch.setattr(fitting, "MAX_ROUNDS", 10)
    file = shots.write(shots.season(games=200, shots=30, skill=1.5), tmp_path / "season.csv")
    found = measure([file], seasons=1, tries=4, count=2, seed=1)
    assert set(found["results"]) == {"original", "accuracy", "ours"}
    for rule in found["results"].values():
        assert set(rule) == {"false_promotion_season", "power_005", "power_002"}
        assert all(share is None or 0 <= share <= 1 for share in rule.values())
    assert found["equal"]["expected_gain"] == pytest.approx(0, abs=1e-12)
    assert found["harder"]["spread"] > 0
