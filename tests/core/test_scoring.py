"""Scores against scikit-learn's, and the properties that calibration measures must have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

from parivision_core import scoring


def sample(n: int = 4000, seed: int = 0, sharpen: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 1, n)
    made = (rng.random(n) < scoring.sigmoid(truth)).astype(int)
    return made, scoring.sigmoid(sharpen * truth)


@given(st.integers(0, 1000))
def test_equal_to_scikit_learn(seed: int) -> None:
    made, p = sample(300, seed)
    p = np.round(p, 1)  # ties
    got = scoring.score(made, p)
    assert got.log_loss == pytest.approx(metrics.log_loss(made, np.clip(p, 1e-15, 1 - 1e-15)))
    assert got.brier == pytest.approx(metrics.brier_score_loss(made, p))
    assert got.auc == pytest.approx(metrics.roc_auc_score(made, p))
    assert got.accuracy == pytest.approx(metrics.accuracy_score(made, p >= 0.5))


def test_slope_is_that_of_a_logistic_regression() -> None:
    made, p = sample(sharpen=1.7)
    reference = LogisticRegression(C=1e9).fit(scoring.logit(p)[:, None], made).coef_[0, 0]
    assert scoring.slope(made, p) == pytest.approx(reference, abs=1e-3)
    assert scoring.slope(made, p) < 0.75


def test_calibrated_predictions_have_small_error_and_slope_one() -> None:
    made, p = sample(40_000)
    assert scoring.ece(made, p) < 0.015
    assert scoring.slope(made, p) == pytest.approx(1, abs=0.05)
    assert scoring.ece(made, np.clip(p + 0.1, 0, 1)) > 0.08


def test_reliability_bins_hold_every_shot() -> None:
    made, p = sample(1003)
    table = scoring.reliability(made, p, bins=10)
    assert sum(row.count for row in table) == 1003
    assert [row.predicted for row in table] == sorted(row.predicted for row in table)


def test_one_class_has_no_auc_and_an_empty_set_no_score() -> None:
    assert np.isnan(scoring.auc(np.ones(5), np.linspace(0, 1, 5)))
    assert np.isnan(scoring.slope(np.ones(5), np.full(5, 0.5)))
    with pytest.raises(ValueError, match="equally many"):
        scoring.score(np.array([]), np.array([]))


def test_certain_and_wrong_is_finite() -> None:
    assert np.isfinite(scoring.losses(np.array([1, 0]), np.array([0.0, 1.0]))).all()
