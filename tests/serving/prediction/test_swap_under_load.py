"""Swaps under constant load: no request fails, and each answer is that of the pair it names."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import numpy as np
import pytest

from parivision_core.records import FeatureStateRecord
from tests.helpers.processes import free_port
from tests.helpers.serving_process import running
from tests.helpers.serving_setup import FULL_SHOT, ServingSetup, expected, make_feature_state

SWAPS = 20
ANSWERS = 20
"""After each swap, before the next."""
CONNECTIONS = 4


@pytest.mark.process
def test_no_request_fails_and_every_answer_reproduces(serving: ServingSetup) -> None:
    serving.promote(1)
    serving.register(2)
    feature_states = [make_feature_state(seed, f"2023-04-{10 + seed}") for seed in range(3)]
    serving.feature_state(feature_states[0])
    port = free_port()
    with running(serving.settings, port, PARIVISION_CHAMPION_POLL_SECONDS="0.02"):
        answers = asyncio.run(load(f"http://127.0.0.1:{port}", serving, feature_states))
    stamps = {record.stamp: record for record in feature_states}
    pairs = {(body["champion_version"], body["feature_state_stamp"]) for _, body in answers}
    assert len(pairs) == 6, "all pairs were served"
    assert len(answers) >= ANSWERS * SWAPS
    for shot, body in answers[:: max(1, len(answers) // 400)]:
        bundle, record = serving.bundles[body["champion_version"]], stamps[body["feature_state_stamp"]]
        assert body["probability"] == expected(bundle, record, shot)


async def load(
    url: str, serving: ServingSetup, feature_states: list[FeatureStateRecord]
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Send requests over several connections during swaps; all requests with their answers."""
    answers: list[tuple[dict[str, Any], dict[str, Any]]] = []
    done = asyncio.Event()

    async def ask(seed: int) -> None:
        rng = np.random.default_rng(seed)
        async with httpx.AsyncClient(base_url=url) as http:
            while not done.is_set():
                shot = FULL_SHOT | {"x": int(rng.integers(-240, 240)), "y": int(rng.integers(-40, 300))}
                body = await http.post("/api/v1/predict", json=shot)
                assert body.status_code == 200, body.text
                answers.append((shot, body.json()))

    async def served(version: int, stamp: str) -> None:
        def last() -> tuple[int, str] | None:
            return (answers[-1][1]["champion_version"], answers[-1][1]["feature_state_stamp"]) if answers else None

        while last() != (version, stamp):
            await asyncio.sleep(0.01)
        enough = len(answers) + ANSWERS
        while len(answers) < enough:
            await asyncio.sleep(0.01)

    async def swap() -> None:
        for turn in range(SWAPS):
            version, record = 1 + turn % 2, feature_states[turn % 3]
            serving.promote(version)
            await asyncio.to_thread(serving.feature_state, record)
            await asyncio.wait_for(served(version, record.stamp), 20)
        done.set()

    await asyncio.gather(swap(), *(ask(seed) for seed in range(CONNECTIONS)))
    return answers
