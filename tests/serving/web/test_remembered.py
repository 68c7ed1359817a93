"""Answers that are remembered: each is asked for once, and one that hangs holds up nobody who asks for another."""

from __future__ import annotations

import anyio
import pytest

from parivision_serving.web import remembered as module
from parivision_serving.web.remembered import Remembered


def test_who_asks_for_the_same_waits_and_nobody_else_does() -> None:
    asked: list[str] = []
    told: list[str] = []

    async def run() -> None:
        remembered, hanging = Remembered[str](60.0), anyio.Event()

        async def slow() -> str:
            asked.append("slow")
            await hanging.wait()
            return "at last"

        async def quick() -> str:
            return "at once"

        async def get() -> None:
            told.append(await remembered.get("slow", slow))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(get)
            tasks.start_soon(get)
            await anyio.wait_all_tasks_blocked()
            with anyio.fail_after(10):
                assert await remembered.get("quick", quick) == "at once"
            assert told == []
            hanging.set()

    anyio.run(run)
    assert (asked, told) == (["slow"], ["at last", "at last"])


def test_few_are_asked_for_at_once_and_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    under_way, most = 0, 0

    async def run() -> None:
        remembered = Remembered[int](60.0)

        async def ask() -> int:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await anyio.lowlevel.checkpoint()
            under_way -= 1
            return 1

        async with anyio.create_task_group() as tasks:
            for key in range(20):
                tasks.start_soon(remembered.get, key, ask)
        assert len(remembered._kept) == 3

    anyio.run(run)
    assert most == module.AT_ONCE


def test_an_error_is_remembered_until_it_is_old() -> None:
    asked: list[int] = []

    async def broken() -> int:
        asked.append(1)
        raise ValueError("no")

    async def run(remembered: Remembered[int]) -> None:
        for _ in range(2):
            with pytest.raises(ValueError, match="no"):
                await remembered.get("", broken)

    anyio.run(run, Remembered[int](60.0))
    assert len(asked) == 1
    anyio.run(run, Remembered[int](-1.0))
    assert len(asked) == 3
