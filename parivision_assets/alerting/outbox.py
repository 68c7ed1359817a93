"""Alerts that wait for delivery: none is lost, and events with the same key are reported at most once an hour.

An outbox is a sensor's cursor. Delivery is at least once: if the process dies after an alert was sent and before
Dagster stored the cursor, it is sent twice.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import msgspec

from parivision_assets.alerting.messages import Alert
from parivision_assets.alerting.notifier import NotifierError

WINDOW_SECONDS = 3600.0
"""Events with one key are reported at once, and then at most once in this time, with their count."""
CAPACITY = 100
"""Alerts that may wait here. Later events stay unread in Dagster's records or the ledger until there is space."""
MOST_A_TICK = 10
SECONDS_A_TICK = 30.0
"""Dagster ends a tick after 60 seconds, and a tick that was ended doesn't store what it has sent."""


class PendingAlert(msgspec.Struct):
    """Events with one key: the newest as an alert, how many are unreported, and when the last were reported."""

    alert: Alert
    count: int = 1
    reported_at: float | None = None

    def recently_reported(self, now: float) -> bool:
        """Whether its key was reported within the window."""
        return self.reported_at is not None and 0 <= now - self.reported_at < WINDOW_SECONDS


class Outbox(msgspec.Struct):
    """What waits for delivery, what was reported within the window, and how far each source was read."""

    read: dict[str, str] = {}
    entries: dict[str, PendingAlert] = {}
    trouble: str = ""
    """Why alerts can't be delivered at present; empty when they can."""
    paused_until: float = 0.0
    """Nothing is sent before this time (seconds since the epoch)."""

    @property
    def waiting(self) -> int:
        """Alerts that wait for delivery."""
        return sum(entry.count > 0 for entry in self.entries.values())

    @property
    def free_slots(self) -> int:
        """How many more events it can take, whatever their keys."""
        return max(0, CAPACITY - self.waiting)

    def put(self, key: str, alert: Alert) -> None:
        """Take an event; those with the same key are reported together."""
        known = self.entries.get(key)
        if known is None:
            self.entries[key] = PendingAlert(alert)
        else:
            known.alert, known.count = alert, known.count + 1

    def deliver(self, send: Callable[[Alert], None], now: float) -> list[Alert]:
        """Send what is due, drop what was reported before the window, and return the alerts that were sent.

        A NotifierError becomes `trouble`: the alert and those after it stay.
        """
        sent: list[Alert] = []
        self.entries = {key: e for key, e in self.entries.items() if e.count or e.recently_reported(now)}
        due = [entry for entry in self.entries.values() if entry.count and not entry.recently_reported(now)]
        if not due or 0 < self.paused_until - now <= WINDOW_SECONDS:  # a longer pause: the clock was set back
            return sent
        give_up = monotonic() + SECONDS_A_TICK
        for entry in due[:MOST_A_TICK]:
            if monotonic() > give_up:
                break
            alert = entry.alert.repeated(entry.count, again=entry.reported_at is not None)
            try:
                send(alert)
            except NotifierError as error:
                self.trouble, self.paused_until = str(error), now + error.retry_after
                return sent
            entry.count, entry.reported_at = 0, now
            sent.append(alert)
        self.trouble = ""
        return sent
