"""A pair, a recorder that remembers, and the route of batches over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient

from parivision_core.nba.shots import NBA
from parivision_core.prediction_log.base import Call
from parivision_core.sport import FieldProblem
from parivision_serving.prediction.bulk import BulkPredictor
from parivision_serving.routes.bulk import batch_route
from parivision_serving.web.body import field_problems
from parivision_serving.web.metrics import Metrics
from tests.helpers.serving_world import FULL_SHOT, SHOT, make_bundle, make_feature_state
from tests.helpers.small_app import client_of, watcher_of

BATCH = "/api/v1/predict/batch"
EARLIER = {"x": 5, "y": 5, "period": 1, "seconds_remaining": 100, "made": True, "player_id": 2544, "team": "LAL"}
ROWS = [
    SHOT,
    FULL_SHOT,
    SHOT | {"x": 250, "y": 888, "period": 14, "seconds_remaining": 300},
    FULL_SHOT | {"earlier_shots": [EARLIER, EARLIER | {"period": 2}]},
    SHOT | {"x": 1.5, "seconds_remaining": 0.5, "kind": None, "home": False},
    SHOT | {"earlier_shots": []},
]


class Kept:
    """A recorder that remembers what it was given; `error` is what a batch gets, and a durable call."""

    def __init__(self) -> None:
        self.recorded: list[Call] = []
        self.kept: list[Call] = []
        self.error: Exception | None = None

    def record(self, call: Call) -> None:
        self.recorded.append(call)

    async def room(self) -> None:
        if self.error:
            raise self.error

    async def keep(self, call: Call) -> None:
        if self.error:
            raise self.error
        self.kept.append(call)


class Deployment:
    """A pair, a recorder and the route over them."""

    def __init__(self, folder: Path) -> None:
        self.bundle = make_bundle(folder / "bundle", 1)
        self.record = make_feature_state(1)
        self.feature_state = NBA.load_feature_state(self.record)
        self.recorder: Any = Kept()
        self.watcher = watcher_of(self.bundle, self.record)
        self.predictor = BulkPredictor(NBA, self.watcher, self.recorder, Metrics())

    def client(self) -> TestClient[Any]:
        return client_of(batch_route(NBA, self.predictor))

    def alone(self, row: Any) -> dict[str, float]:
        """The numbers that a single request for the row would get."""
        prepared = NBA.prepare(msgspec.convert(row, NBA.request), self.feature_state)
        probability = float(self.bundle.predict(prepared.features, prepared.offset)[0])
        return {
            "probability": pytest.approx(probability, abs=1e-6),
            "expected_points": pytest.approx(probability * prepared.points, abs=1e-6),
            "league_average": pytest.approx(prepared.league_average, abs=1e-12),
        }


def alone(body: bytes) -> list[FieldProblem]:
    """What is wrong with a single request."""
    try:
        request = msgspec.json.decode(body, type=NBA.request)
    except msgspec.DecodeError as error:
        return field_problems(body, NBA.request, error)
    return NBA.problems(request)
