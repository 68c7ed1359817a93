"""Answers that are slow to come by, remembered for a few seconds, so that no caller can make us hammer a neighbour."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

import anyio

T = TypeVar("T")

MOST = 64
"""Answers kept at once; they may be some hundred kilobytes."""
AT_ONCE = 4
"""Questions under way at once: one that hangs holds up those who ask the same, and few others."""


@dataclass
class _Kept(Generic[T]):
    """An answer, or an error, until it is too old, and who asks for it."""

    asking: anyio.Lock = field(default_factory=anyio.Lock)
    until: float = 0.0
    answer: T | Exception | None = None


class Remembered(Generic[T]):
    """Answers by key. Each is asked for once at a time; an error is remembered as an answer is."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kept: OrderedDict[Hashable, _Kept[T]] = OrderedDict()
        self._places = anyio.Semaphore(AT_ONCE)

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer of the last few seconds, else what `ask` gives now; raises what it raised."""
        kept = self._kept.setdefault(key, _Kept())
        self._kept.move_to_end(key)
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)
        async with kept.asking:
            if kept.until < time.monotonic():
                async with self._places:
                    kept.answer = await _asked(ask)
                kept.until = time.monotonic() + self._seconds
        if isinstance(kept.answer, Exception):
            raise kept.answer
        return cast("T", kept.answer)


async def _asked(ask: Callable[[], Awaitable[T]]) -> T | Exception:
    try:
        return await ask()
    except Exception as error:
        return error
