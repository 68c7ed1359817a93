"""Rate limits: a token bucket in memory for each caller."""

from __future__ import annotations

import time

MOST_CALLERS = 10_000
"""Buckets that are kept; beyond that the one that was used longest ago is dropped, so that its caller starts anew."""


class RateLimit:
    """Limits each caller to `rate` requests a second on average and `burst` at once."""

    def __init__(self, rate: float, burst: float | None = None) -> None:
        self.rate = rate
        self.burst = max(2 * rate if burst is None else burst, 1.0)
        self._buckets: dict[str, tuple[float, float]] = {}
        """Caller -> tokens left and the time of that count, oldest first."""

    def wait(self, caller: str, now: float | None = None) -> float:
        """Take a token. Returns 0, or if there is none the seconds until the next."""
        if not self.rate:
            return 0.0
        now = time.monotonic() if now is None else now
        tokens, then = self._buckets.pop(caller, (self.burst, now))
        tokens = min(tokens + (now - then) * self.rate, self.burst)
        admitted = tokens >= 1
        self._buckets[caller] = (tokens - 1 if admitted else tokens, now)
        if len(self._buckets) > MOST_CALLERS:
            del self._buckets[next(iter(self._buckets))]
        return 0.0 if admitted else (1 - tokens) / self.rate
