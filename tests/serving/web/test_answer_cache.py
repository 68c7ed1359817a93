"""The answer cache: each answer is fetched once, and a fetch that hangs blocks no other."""

from __future__ import annotations

import anyio
import pytest

from parivision_serving.web import answer_cache as module
from parivision_serving.web.answer_cache import AnswerCache


def test_a_slow_fetch_delays_only_requests_for_the_same_key() -> None:
    fetches: list[str] = []
    body: list[str] = []

    async def run() -> None:
        cache, hanging = AnswerCache[str](60.0), anyio.Event()

        async def slow() -> str:
            fetches.append("slow")
            await hanging.wait()
            return "at last"

        async def quick() -> str:
            return "at once"

        async def get() -> None:
            body.append(await cache.get("slow", slow))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(get)
            tasks.start_soon(get)
            await anyio.wait_all_tasks_blocked()
            with anyio.fail_after(10):
                assert await cache.get("quick", quick) == "at once"
            assert body == []
            hanging.set()

    anyio.run(run)
    assert (fetches, body) == (["slow"], ["at last", "at last"])


def test_few_fetches_run_at_once_and_few_answers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    under_way, most = 0, 0

    async def run() -> None:
        cache = AnswerCache[int](60.0)

        async def fetch() -> int:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await anyio.lowlevel.checkpoint()
            under_way -= 1
            return 1

        async with anyio.create_task_group() as tasks:
            for key in range(20):
                tasks.start_soon(cache.get, key, fetch)
        assert len(cache._entries) == 3

    anyio.run(run)
    assert most == module.AT_ONCE


def test_an_error_is_cached_until_it_is_old() -> None:
    fetches: list[int] = []

    async def broken() -> int:
        fetches.append(1)
        raise ValueError("no")

    async def run(cache: AnswerCache[int]) -> None:
        for _ in range(2):
            with pytest.raises(ValueError, match="no"):
                await cache.get("", broken)

    anyio.run(run, AnswerCache[int](60.0))
    assert len(fetches) == 1
    anyio.run(run, AnswerCache[int](-1.0))
    assert len(fetches) == 3
