"""Fixtures of the service's tests: a running service, fresh for each test or shared by a module that only reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from tests.helpers.processes import until
from tests.helpers.serving_setup import FULL_SHOT, ServingSetup, make_feature_state, make_setup, serves


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[ServingSetup]:
    """A store, a registry and settings, all empty."""
    made = make_setup(tmp_path)
    yield made
    made.mlflow.stop()


@pytest.fixture
def client(serving: ServingSetup) -> Iterator[TestClient[Any]]:
    """A service that serves version 1 with a feature state."""
    with running(serving) as started:
        yield started


@pytest.fixture(scope="module")
def shared_serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingSetup]:
    """What `shared_client` runs on; a test must not change it."""
    made = make_setup(tmp_path_factory.mktemp("serving"))
    yield made
    made.mlflow.stop()


@pytest.fixture(scope="module")
def shared_client(shared_serving: ServingSetup) -> Iterator[TestClient[Any]]:
    """The same service as `client`, started once for all tests of a module that only send requests."""
    with running(shared_serving) as started:
        yield started


@contextmanager
def running(serving: ServingSetup) -> Iterator[TestClient[Any]]:
    """The service over a setup, once it serves version 1 with a feature state."""
    serving.promote(1)
    record = serving.feature_state(make_feature_state(1))
    with serving.client() as started:
        until(serves(started, 1, record.stamp))
        assert started.post("/api/v1/predict", json=FULL_SHOT).status_code == 200
        yield started
