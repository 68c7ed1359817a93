"""How far the simulated days may run ahead of whoever reads the batches: a busy house shall not lag ever further."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from parivision_serving.virtual_bets.announcing import Announcements

PATIENCE_SECONDS = 1200.0
"""Whoever has read nothing for so long is gone, or has all of it already, and is waited for no more. A house that
searches for parameters reads nothing for ten minutes."""


class Lead:
    """Remembers what was read, since this process began: who hasn't read yet is not waited for."""

    def __init__(self, ahead_days: int, now: Callable[[], float] = time.monotonic) -> None:
        """`ahead_days` are whole simulated days; 0 waits for nobody."""
        self._ahead_days, self._now = ahead_days, now
        self._newest = 0
        """The latest cursor that was read; a batch before it that wasn't is waited for by its reader, not by us."""
        self._until = -math.inf
        """When patience ends, in the seconds of `now`."""

    def read(self, cursor: int) -> None:
        """Take note that the batch at a cursor was read."""
        if cursor > self._newest:
            self._newest, self._until = cursor, self._now() + PATIENCE_SECONDS

    def most_days(self, announcements: Announcements) -> float:
        """Simulated days that may have passed by now; infinite when nobody has to be waited for."""
        unread = announcements.day(self._newest + 1)
        if not self._ahead_days or unread is None or self._now() > self._until:
            return math.inf
        return float(unread + self._ahead_days)
