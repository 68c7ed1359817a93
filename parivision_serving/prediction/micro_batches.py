"""Predicts in one call of the model what is asked within one turn of the event loop.

A call costs 10 us for one row when nothing else runs, but 50 us between other work, which drives the trees out of the
processor's caches; each further row costs 3. So requests that arrive together are answered together. Nobody waits for
others to come: what is there at the end of the turn is predicted.
"""

from __future__ import annotations

import asyncio

import numpy as np

from parivision_core.bundle import Bundle
from parivision_core.sport import Features


class Together:
    """The questions of the current turn."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Bundle, Features, Features, asyncio.Future[float]]] = []

    async def predict(self, bundle: Bundle, features: Features, offset: Features) -> float:
        """Probability of one shot, from features (1, k) and offset (1,)."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._answer)
        future: asyncio.Future[float] = loop.create_future()
        self._waiting.append((bundle, features, offset, future))
        return await future

    def _answer(self) -> None:
        asked, self._waiting = self._waiting, []
        while asked:
            bundle = asked[0][0]  # during a swap, some may hold the old one
            same, asked = [a for a in asked if a[0] is bundle], [a for a in asked if a[0] is not bundle]
            try:
                answers = bundle.predict(
                    np.concatenate([features for _, features, _, _ in same]),
                    np.concatenate([offset for _, _, offset, _ in same]),
                ).tolist()
            except Exception as error:  # each of them is told; the other bundle's are answered
                for _, _, _, future in same:
                    if not future.done():
                        future.set_exception(error)
            else:
                for (_, _, _, future), probability in zip(same, answers, strict=True):
                    if not future.done():  # the caller may have gone away
                        future.set_result(probability)
