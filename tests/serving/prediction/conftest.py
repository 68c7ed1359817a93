"""Fixtures of the tests of batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient

from parivision_core.nba.shots import NBA
from parivision_serving.prediction.bulk import BatchPredictor
from parivision_serving.web.metrics import Metrics
from tests.serving.prediction.bulk_service import House, Kept


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> House:
    """One for all tests of a file."""
    return House(tmp_path_factory.mktemp("house"))


@pytest.fixture
def house(parts: House) -> House:
    """The same with nothing recorded yet."""
    parts.recorder = Kept()
    parts.predictor = BatchPredictor(NBA, parts.watcher, parts.recorder, Metrics())
    return parts


@pytest.fixture
def client(house: House) -> Iterator[TestClient[Any]]:
    """Over its route."""
    with house.client() as started:
        yield started
