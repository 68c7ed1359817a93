"""Models that are fitted in a fraction of the time, for tests that aren't about the quality of the predictions."""

from __future__ import annotations

import pytest

from parivision_assets.steps.training import fitting


def fit_small_models(patch: pytest.MonkeyPatch) -> None:
    """Few trees, and a logistic regression that stops early, until the patch is undone."""
    patch.setitem(fitting.XGBOOST, "eta", 0.3)
    patch.setitem(fitting.FOREST, "n_estimators", 4)
    patch.setitem(fitting.LOGISTIC, "tol", 0.1)
