"""Profiles of requests: one at a time; requests meanwhile are answered without a profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio

from parivision_serving.web.context import KEY, Context
from parivision_serving.web.profiling import Profiling

TOGETHER = 20


def test_one_of_overlapping_requests_is_profiled(tmp_path: Path) -> None:
    async def scene() -> None:
        inside, all_there, answer = 0, anyio.Event(), 0

        async def app(*_: Any) -> None:
            nonlocal inside, answer
            inside += 1
            if inside == TOGETHER:
                all_there.set()
            await all_there.wait()
            answer += 1

        profiling = Profiling(app, tmp_path)

        async def one() -> None:
            scope = {"type": "http", "method": "POST", "path": "/api/v1/predict", KEY: Context({})}
            await profiling(scope, app, app)

        async with anyio.create_task_group() as tasks:
            for _ in range(TOGETHER):
                tasks.start_soon(one)
        assert answer == TOGETHER
        (profile,) = tmp_path.iterdir()
        assert "pyinstrument" in profile.read_text()
        await one()
        assert len(list(tmp_path.iterdir())) == 2

    anyio.run(scene)
