"""Twenty swaps of champion and feature state under constant load: no request fails, each answer is that of the pair it names."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import numpy as np

from parivision_core.records import FeatureStateRecord
from tests.helpers.serving_process import free_port, running
from tests.helpers.serving_world import FULL_SHOT, World, expected, make_feature_state

SWAPS = 20
CONNECTIONS = 8


def test_no_request_fails_and_every_answer_reproduces(world: World) -> None:
    world.promote(1)
    world.register(2)
    feature_states = [make_feature_state(seed, f"2023-04-{10 + seed}") for seed in range(3)]
    world.feature_state(feature_states[0])
    port = free_port()
    with running(world.settings, port):
        answers = asyncio.run(load(f"http://127.0.0.1:{port}", world, feature_states))
    stamps = {record.stamp: record for record in feature_states}
    pairs = {(told["champion_version"], told["feature_state_stamp"]) for _, told in answers}
    assert len(pairs) == 6, "all pairs were served"
    assert len(answers) > 20 * SWAPS
    for shot, told in answers[:: max(1, len(answers) // 400)]:
        bundle, record = world.bundles[told["champion_version"]], stamps[told["feature_state_stamp"]]
        assert told["probability"] == expected(bundle, record, shot)


async def load(
    url: str, world: World, feature_states: list[FeatureStateRecord]
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Ask over several connections at once while champion and feature state take turns; all questions with their answers."""
    answers: list[tuple[dict[str, Any], dict[str, Any]]] = []
    done = asyncio.Event()

    async def ask(seed: int) -> None:
        rng = np.random.default_rng(seed)
        async with httpx.AsyncClient(base_url=url) as http:
            while not done.is_set():
                shot = FULL_SHOT | {"x": int(rng.integers(-240, 240)), "y": int(rng.integers(-40, 300))}
                told = await http.post("/api/v1/predict", json=shot)
                assert told.status_code == 200, told.text
                answers.append((shot, told.json()))

    async def served(version: int, stamp: str) -> None:
        while not answers or (answers[-1][1]["champion_version"], answers[-1][1]["feature_state_stamp"]) != (
            version,
            stamp,
        ):
            await asyncio.sleep(0.01)

    async def swap() -> None:
        for turn in range(SWAPS):
            version, record = 1 + turn % 2, feature_states[turn % 3]
            world.promote(version)
            await asyncio.to_thread(world.feature_state, record)
            await asyncio.wait_for(served(version, record.stamp), 20)
        done.set()

    await asyncio.gather(swap(), *(ask(seed) for seed in range(CONNECTIONS)))
    return answers
