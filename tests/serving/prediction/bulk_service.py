"""The route of bulk requests over a pair and a fake recorder."""

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
from parivision_serving.routes.bulk import bulk_route
from parivision_serving.web.body import field_problems
from parivision_serving.web.metrics import Metrics
from tests.helpers.serving_setup import FULL_SHOT, SHOT, make_bundle, make_feature_state
from tests.helpers.small_app import client_of, watcher_of

BULK = "/api/v1/predict/bulk"
EARLIER = {"x": 5, "y": 5, "period": 1, "seconds_remaining": 100, "made": True, "player_id": 2544, "team": "LAL"}
ROWS = [
    SHOT,
    FULL_SHOT,
    SHOT | {"x": 250, "y": 888, "period": 14, "seconds_remaining": 300},
    FULL_SHOT | {"earlier_shots": [EARLIER, EARLIER | {"period": 2}]},
    SHOT | {"x": 1.5, "seconds_remaining": 0.5, "kind": None, "home": False},
    SHOT | {"earlier_shots": []},
]


class FakeRecorder:
    """A recorder that keeps its calls in memory; `error` is raised to bulk requests and durable calls."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
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


class BulkService:
    """A pair, a recorder and the route over them."""

    def __init__(self, folder: Path) -> None:
        self.bundle = make_bundle(folder / "bundle", 1)
        self.record = make_feature_state(1)
        self.feature_state = NBA.load_feature_state(self.record)
        self.recorder: Any = FakeRecorder()
        self.watcher = watcher_of(self.bundle, self.record)
        self.predictor = BulkPredictor(NBA, self.watcher, self.recorder, Metrics())

    def client(self) -> TestClient[Any]:
        return client_of(bulk_route(NBA, self.predictor))

    def expected(self, row: Any) -> dict[str, float]:
        """The numbers that a single request for the row would get."""
        prepared = NBA.prepare(msgspec.convert(row, NBA.request), self.feature_state)
        probability = float(self.bundle.predict(prepared.features, prepared.offset)[0])
        return {
            "probability": pytest.approx(probability, abs=1e-6),
            "expected_points": pytest.approx(probability * prepared.points, abs=1e-6),
            "league_average": pytest.approx(prepared.league_average, abs=1e-12),
        }


def single_errors(body: bytes) -> list[FieldProblem]:
    """The errors of a single request."""
    try:
        request = msgspec.json.decode(body, type=NBA.request)
    except msgspec.DecodeError as error:
        return field_problems(body, NBA.request, error)
    return NBA.problems(request)
