"""Serving and training give the same features: a real season over HTTP, shot by shot, in the order of time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litestar.testing import TestClient

from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.steps.features.folding import columns_of
from parivision_assets.steps.feed.ingesting import ingest
from parivision_core.nba.shots import NBA
from parivision_core.nba.shots.history import feature_state
from parivision_core.store.files import FileStore
from tests.helpers.processes import until
from tests.helpers.serving_setup import ServingSetup, serves
from tests.helpers.shot_columns import asked_about, earlier, take

SHOTS = 2500
SEASON = "NBA_2023"
AFTER_DAYS = 60


@pytest.fixture(scope="module")
def season(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray[Any, Any]]:
    """The shots of a season in the order in which they are folded."""
    store = FileStore(tmp_path_factory.mktemp("lake"), NBA.lake, NBA.warehouse)
    (batch,) = (b for b in InboxFeed(real_data, 0).batches() if SEASON in b.source)
    ingest(batch, NBA, store)
    shots = columns_of(store.lake(["_id", *NBA.fields]).sort_by([("game_date", "ascending"), ("_id", "ascending")]))
    return {name: column.astype(str) if column.dtype == object else column for name, column in shots.items()}


@pytest.mark.real
@pytest.mark.slow
def test_a_season_over_http_gives_the_features_of_training(serving: ServingSetup, season: dict[str, Any]) -> None:
    serving.promote(1, scale=0.002)  # features of real shots are larger than random ones
    days = np.unique(season["game_date"])
    current = feature_state.fold(NBA.empty_feature_state(), take(season, season["game_date"] < days[AFTER_DAYS]))[1]
    requested = 0
    for day in days[AFTER_DAYS:]:
        shots = take(season, season["game_date"] == day)
        matrix, offset, after = NBA.fold(current, shots)
        rest = feature_state.fold(current, shots)[0].rest_days
        record = serving.feature_state(current.record())
        with serving.client() as client:
            until(serves(client, 1, record.stamp))
            answers = [ask(client, question) for question in questions(shots, rest)]
            kept = logged(client, answers)
        np.testing.assert_array_max_ulp(kept[:, :-1], matrix, maxulp=1)
        np.testing.assert_array_equal(kept[:, -1], offset)
        body = [answer["probability"] for answer in answers]
        np.testing.assert_allclose(body, serving.bundles[1].predict(matrix, offset), rtol=0, atol=1e-6)
        requested += len(answers)
        current = after
        if requested >= SHOTS:
            break
    assert requested >= SHOTS


def questions(shots: dict[str, Any], rest: np.ndarray[Any, Any]) -> Iterator[dict[str, Any]]:
    """A request for each shot of a day, with its whole record and the game so far."""
    for row in range(len(rest)):
        so_far = [int(r) for r in np.flatnonzero(shots["game_id"] == shots["game_id"][row]) if r != row]
        yield asked_about(shots, row) | {"rest_days": int(rest[row]) or None} | earlier(shots, so_far)


def ask(client: TestClient[Any], question: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("/api/v1/predict", json=question)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def logged(client: TestClient[Any], answers: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    """The logged features of predictions, with the offset as the last column, (n, k + 1)."""
    recorder = client.app.state.recorder  # type: ignore[attr-defined]
    until(lambda: recorder.depth == 0)
    return np.array([np.frombuffer(recorder._prediction_log.call(answer["id"]).features, "<f4") for answer in answers])
