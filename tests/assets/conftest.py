"""Fixtures that tests of training share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers.small_models import fit_small_models


@pytest.fixture(scope="module")
def few_trees() -> Iterator[None]:
    """Small models, for tests that aren't about the quality of the predictions."""
    with pytest.MonkeyPatch.context() as m:
        fit_small_models(m)
        yield
