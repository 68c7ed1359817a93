"""What tests of training share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from parivision_assets.steps.training import fitting


@pytest.fixture(scope="module")
def few_trees() -> Iterator[None]:
    """How well models learn is asked elsewhere."""
    with pytest.MonkeyPatch.context() as m:
        m.setitem(fitting.XGBOOST, "eta", 0.3)
        m.setitem(fitting.FOREST, "n_estimators", 4)
        yield
