"""Which batches of a source are announced after a number of simulated days; a later day never takes one back."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from parivision_serving.virtual_bets.source import BatchSource, Offer, Plan


@dataclass(frozen=True)
class AnnouncedBatch:
    """A batch that clients can fetch."""

    cursor: int
    """Counts the announcements from 1."""
    season: int
    offer: Offer
    day: int
    """Whole simulated days after which it is announced; 0 in the first season."""


class Announcements:
    """The batches announced so far: the first season at once, the others day by day. Summers are skipped."""

    def __init__(self, source: BatchSource) -> None:
        self._source = source
        self._plans: list[Plan] = []
        self._days_before: list[int] = []
        """Simulated days before each season whose plan is known."""
        self._next = (0, 0)
        """Season and position in its plan of the batch to be announced next."""
        self.all: list[AnnouncedBatch] = []
        self.by_id: dict[str, AnnouncedBatch] = {}

    def advance(self, days: int) -> None:
        """Announce every batch that is due after this many whole days."""
        while (following := self._following()) and following.day <= days:
            self.all.append(following)
            self.by_id[following.offer.id] = following
            season, position = self._next
            self._next = (season, position + 1)

    def day(self, cursor: int) -> int | None:
        """Whole simulated days after which a batch is announced, also for the next one; None for any other cursor."""
        found = self.all[cursor - 1] if cursor <= len(self.all) else self._following()
        return found.day if found and found.cursor == cursor else None

    @property
    def finished(self) -> bool:
        """Whether the source has no more batches."""
        return self._following() is None

    def today(self, days: int) -> dt.date:
        """The last simulated day that is over after this many whole days."""
        begun = [i for i, before in enumerate(self._days_before) if i and before < days]
        season = begun[-1] if begun else 0
        plan = self._plans[season]
        over = min(days - self._days_before[season], plan.days) if season else plan.days
        return plan.first + dt.timedelta(days=over - 1)

    def _following(self) -> AnnouncedBatch | None:
        """The batch to be announced next; None after the last."""
        season, position = self._next
        while season < self._source.seasons:
            plan, days_before = self._plan(season)
            if position < len(plan.offers):
                offer = plan.offers[position]
                day = days_before + offer.announced + 1 if season else 0
                return AnnouncedBatch(len(self.all) + 1, season, offer, day)
            season, position = self._next = (season + 1, 0)
        return None

    def _plan(self, season: int) -> tuple[Plan, int]:
        """A season's plan, and the simulated days before it; the first season counts as none."""
        if season == len(self._plans):
            before = self._days_before[-1] + self._plans[-1].days if season > 1 else 0
            self._plans.append(self._source.plan(season))
            self._days_before.append(before)
        return self._plans[season], self._days_before[season]
