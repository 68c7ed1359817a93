"""How far simulated time may run ahead of the client that reads the batches, so that a busy platform can keep up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from parivision_serving.virtual_bets.announcements import Announcements

PATIENCE_SECONDS = 1200.0
"""A client that has read nothing for this long is gone, or has read everything, and is no longer waited for. A platform
that searches for parameters reads nothing for ten minutes."""


class Lead:
    """Remembers what was read since this process began; before the first read there is no client to wait for."""

    def __init__(self, ahead_days: int, now: Callable[[], float] = time.monotonic) -> None:
        """`ahead_days` are whole simulated days; with 0 it never waits."""
        self._ahead_days, self._now = ahead_days, now
        self._newest = 0
        """The latest cursor that was read. Unread batches before it don't count: clients may skip them."""
        self._until = -math.inf
        """Until when the clock waits for its reader, in the seconds of `now`."""

    def read(self, cursor: int) -> None:
        """Note that the batch at a cursor was read."""
        if cursor > self._newest:
            self._newest, self._until = cursor, self._now() + PATIENCE_SECONDS

    def most_days(self, announcements: Announcements) -> float:
        """Simulated days that may have passed by now; infinite when there is no reader to wait for."""
        unread = announcements.day(self._newest + 1)
        if not self._ahead_days or unread is None or self._now() > self._until:
            return math.inf
        return float(unread + self._ahead_days)
