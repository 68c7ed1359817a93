"""Answers that are slow to come by, remembered for a few seconds, so that no caller can make us hammer a neighbour."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import anyio

T = TypeVar("T")

MOST = 64
"""Answers kept at once; they may be some hundred kilobytes."""


class Remembered(Generic[T]):
    """Answers by key. One is asked for at a time; an error is remembered as an answer is."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kept: OrderedDict[Hashable, tuple[float, T | Exception]] = OrderedDict()
        self._asking = anyio.Lock()

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer of the last few seconds, else what `ask` gives now; raises what it raised."""
        async with self._asking:
            found = self._kept.get(key)
            if found is None or found[0] < time.monotonic():
                found = await self._asked(ask)
                self._kept[key] = found
                self._kept.move_to_end(key)
                if len(self._kept) > MOST:
                    self._kept.popitem(last=False)
        if isinstance(found[1], Exception):
            raise found[1]
        return found[1]

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> tuple[float, T | Exception]:
        try:
            answer: T | Exception = await ask()
        except Exception as error:
            answer = error
        return time.monotonic() + self._seconds, answer
