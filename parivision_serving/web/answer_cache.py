"""Caches slow answers of other services for a few seconds, so that callers can't overload those services."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

import anyio

T = TypeVar("T")

MOST = 64
"""Answers that are kept; each may have some hundred kilobytes."""
AT_ONCE = 4
"""Fetches under way at once: one that hangs blocks those who wait for the same key, and few others."""


@dataclass
class _Entry(Generic[T]):
    """An answer or error, until when it is valid, and the lock that is held while it is fetched."""

    fetching: anyio.Lock = field(default_factory=anyio.Lock)
    until: float = 0.0
    answer: T | Exception | None = None


class AnswerCache(Generic[T]):
    """Answers by key. Each is fetched once at a time; an error is cached like an answer."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._entries: OrderedDict[Hashable, _Entry[T]] = OrderedDict()
        self._places = anyio.Semaphore(AT_ONCE)

    async def get(self, key: Hashable, fetch: Callable[[], Awaitable[T]]) -> T:
        """The cached answer, else what `fetch` returns now; raises what `fetch` raised."""
        entry = self._entries.setdefault(key, _Entry())
        self._entries.move_to_end(key)
        if len(self._entries) > MOST:
            self._entries.popitem(last=False)
        async with entry.fetching:
            if entry.until < time.monotonic():
                async with self._places:
                    entry.answer = await _fetched(fetch)
                entry.until = time.monotonic() + self._seconds
        if isinstance(entry.answer, Exception):
            raise entry.answer
        return cast("T", entry.answer)


async def _fetched(fetch: Callable[[], Awaitable[T]]) -> T | Exception:
    try:
        return await fetch()
    except Exception as error:
        return error
