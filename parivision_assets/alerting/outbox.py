"""Alerts on their way: kept until they were taken, and not told more often than a person can bear.

An outbox is what a sensor remembers from tick to tick (its cursor). Delivery is at least once: if the process dies
after an alert was taken and before Dagster stored the cursor, it is told twice.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import msgspec

from parivision_assets.alerting.messages import Alert
from parivision_core.problems import PariVisionError

WINDOW_SECONDS = 3600.0
"""The same thing is told once, and then at most once in this time, with a count."""
CAPACITY = 100
"""Different alerts that may wait; what happens beyond waits where it happened, in Dagster's own records."""
MOST_A_TICK = 10
SECONDS_A_TICK = 30.0
"""Dagster gives a tick 60; one that is cut off forgets what it has told."""


class NotifierError(PariVisionError):
    """An alert wasn't taken; it has to be sent again, at the earliest after so many seconds."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PendingAlert(msgspec.Struct):
    """Events of one kind: the newest as an alert, how many wait to be told, and when the last were."""

    alert: Alert
    count: int = 1
    reported_at: float | None = None

    def resting(self, now: float) -> bool:
        """Whether its kind was told a short while ago."""
        return self.reported_at is not None and now < self.reported_at + WINDOW_SECONDS


class Outbox(msgspec.Struct):
    """What waits to be told, what was told of late, and how far each source was read."""

    read: dict[str, str] = {}
    entries: dict[str, PendingAlert] = {}
    trouble: str = ""
    """Why alerts aren't taken at present; empty when they are."""
    paused_until: float = 0.0
    """Not to be asked again before (seconds since the epoch)."""

    @property
    def waiting(self) -> int:
        """Alerts that wait to be told."""
        return sum(entry.count > 0 for entry in self.entries.values())

    @property
    def room(self) -> int:
        """How many more events it can take, whatever their kinds."""
        return max(0, CAPACITY - self.waiting)

    def put(self, key: str, alert: Alert) -> None:
        """Take an event; those with the same key are of one kind and are told together."""
        known = self.entries.get(key)
        if known is None:
            self.entries[key] = PendingAlert(alert)
        else:
            known.alert, known.count = alert, known.count + 1

    def deliver(self, send: Callable[[Alert], None], now: float) -> list[Alert]:
        """Send what is due, and forget what was told long ago; the alerts that were taken.

        A NotifierError becomes `trouble`: the alert and those after it stay.
        """
        told: list[Alert] = []
        self.entries = {key: e for key, e in self.entries.items() if e.count or e.resting(now)}
        due = [entry for entry in self.entries.values() if entry.count and not entry.resting(now)]
        if not due or now < self.paused_until:
            return told
        give_up = monotonic() + SECONDS_A_TICK
        for entry in due[:MOST_A_TICK]:
            if monotonic() > give_up:
                break
            alert = entry.alert.repeated(entry.count, again=entry.reported_at is not None)
            try:
                send(alert)
            except NotifierError as error:
                self.trouble, self.paused_until = str(error), now + error.retry_after
                return told
            entry.count, entry.reported_at = 0, now
            told.append(alert)
        self.trouble = ""
        return told
