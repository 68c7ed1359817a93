"""Fixtures of the tests of bulk requests: one route for all tests of a module, with nothing recorded at each start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient

from tests.serving.prediction.bulk_service import BulkService


@pytest.fixture(scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> BulkService:
    return BulkService(tmp_path_factory.mktemp("bulk"))


@pytest.fixture(scope="module")
def _client(_service: BulkService) -> Iterator[TestClient[Any]]:
    with _service.client() as started:
        yield started


@pytest.fixture
def bulk_service(_service: BulkService) -> BulkService:
    """The parts behind the route, with nothing recorded yet."""
    _service.recorder.clear()
    return _service


@pytest.fixture
def bulk_client(bulk_service: BulkService, _client: TestClient[Any]) -> TestClient[Any]:
    """A client of the route."""
    return _client
