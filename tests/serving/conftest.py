"""Fixtures of the service's tests; their parts are in serving_world."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from tests.helpers.serving_world import FULL_SHOT, World, make_feature_state, make_world, serves, until


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A store, a registry and settings, all empty."""
    made = make_world(tmp_path)
    yield made
    made.mlflow.stop()


@pytest.fixture
def client(world: World) -> Iterator[TestClient[Any]]:
    """A service that serves version 1 with a feature state."""
    world.promote(1)
    record = world.feature_state(make_feature_state(1))
    with world.client() as started:
        until(serves(started, 1, record.stamp))
        assert started.post("/api/v1/predict", json=FULL_SHOT).status_code == 200
        yield started
