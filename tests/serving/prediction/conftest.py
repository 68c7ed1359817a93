"""Fixtures of the tests of batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient

from parivision_core.nba.shots import NBA
from parivision_serving.prediction.bulk import BulkPredictor
from parivision_serving.web.metrics import Metrics
from tests.serving.prediction.bulk_service import Deployment, Kept


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """One for all tests of a file."""
    return Deployment(tmp_path_factory.mktemp("deployment"))


@pytest.fixture
def deployment(parts: Deployment) -> Deployment:
    """The same with nothing recorded yet."""
    parts.recorder = Kept()
    parts.predictor = BulkPredictor(NBA, parts.watcher, parts.recorder, Metrics())
    return parts


@pytest.fixture
def client(deployment: Deployment) -> Iterator[TestClient[Any]]:
    """Over its route."""
    with deployment.client() as started:
        yield started
