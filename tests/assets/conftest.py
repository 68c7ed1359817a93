"""Fixtures that tests of training share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from parivision_assets.steps.training import fitting


@pytest.fixture(scope="module")
def few_trees() -> Iterator[None]:
    """Small models, for tests that aren't about the quality of the predictions."""
    with pytest.MonkeyPatch.context() as m:
        m.setitem(fitting.XGBOOST, "eta", 0.3)
        m.setitem(fitting.FOREST, "n_estimators", 4)
        m.setitem(fitting.LOGISTIC, "tol", 0.1)
        yield
