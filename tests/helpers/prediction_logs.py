"""Prediction logs of every kind, and calls to write to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from pymongo import MongoClient

from parivision_core.prediction_log.base import Call, PredictionLog
from parivision_core.prediction_log.ids import new_id
from parivision_core.prediction_log.mongo import MongoPredictionLog
from parivision_core.prediction_log.sqlite import SqlitePredictionLog
from tests.helpers.stores import Place


def _open_sqlite(place: Place) -> PredictionLog:
    return SqlitePredictionLog(Path(place["folder"]) / "prediction_log" / "nba.sqlite")


def _open_mongo(place: Place) -> PredictionLog:
    return MongoPredictionLog(MongoClient(place["url"])[place["database"]])


KINDS: dict[str, Callable[[Place], PredictionLog]] = {"files": _open_sqlite, "mongo": _open_mongo}
"""By the kind of store that the prediction log goes with."""


def opened(place: Place) -> PredictionLog:
    """The prediction log in a place, as another process would open it."""
    return KINDS[place["kind"]](place)


def one(probability: float | list[float] = 0.5, **changes: Any) -> Call:
    """The call of a single shot; `request` may be given as an object."""
    request = changes.pop("request", {"x": -120, "y": 85, "player_id": 7})
    values: dict[str, Any] = {
        "id": new_id(),
        "content": "shot",
        "request": request if isinstance(request, bytes) else msgspec.json.encode(request),
        "probability": np.atleast_1d(np.array(probability, "<f8")).tobytes(),
        "features": np.array([1, 2, 3], "<f4").tobytes(),
        "schema": "s1",
        "champion_version": 3,
        "champion_sha256": "c" * 64,
        "feature_state_stamp": "f" * 16,
        "latency_us": 1500,
        "caller": "page",
    }
    return Call(**(values | changes))


def many(probabilities: list[float], requests: list[Any] | None = None, **changes: Any) -> Call:
    """The call of a bulk request of JSON rows."""
    rows = [{"x": i, "player_id": i} for i in range(len(probabilities))] if requests is None else requests
    return one(probabilities, **({"content": "rows", "request": rows, "features": b""} | changes))
