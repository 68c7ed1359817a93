"""Which batches of a source can be had after so many simulated days: a pure function of the days, and never fewer."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from parivision_serving.virtual_bets.source import BatchSource, Offer, Plan


@dataclass(frozen=True)
class Announced:
    """A batch that can be had."""

    cursor: int
    """Counts the announcements from 1."""
    season: int
    offer: Offer
    day: int
    """Whole simulated days after which it can be had; 0 in the first season."""


class Announcements:
    """The batches announced so far. The first season is there at once, the others day by day, without their summers."""

    def __init__(self, source: BatchSource) -> None:
        self._source = source
        self._plans: list[Plan] = []
        self._passed: list[int] = []
        """Simulated days before each season whose plan is known."""
        self._next = (0, 0)
        """Season and place in its plan of the batch to be announced next."""
        self.all: list[Announced] = []
        self.by_id: dict[str, Announced] = {}

    def advance(self, days: int) -> None:
        """Announce what can be had after so many whole days."""
        while (following := self._following()) and following.day <= days:
            self.all.append(following)
            self.by_id[following.offer.id] = following
            season, place = self._next
            self._next = (season, place + 1)

    def day(self, cursor: int) -> int | None:
        """Whole simulated days after which a batch can be had, the next one's too; None when there is no such batch."""
        found = self.all[cursor - 1] if cursor <= len(self.all) else self._following()
        return found.day if found and found.cursor == cursor else None

    @property
    def finished(self) -> bool:
        """Whether the source has no more batches."""
        return self._following() is None

    def today(self, days: int) -> dt.date:
        """The last simulated day that is over, after so many whole days."""
        begun = [i for i, passed in enumerate(self._passed) if i and passed < days]
        season = begun[-1] if begun else 0
        plan = self._plans[season]
        over = min(days - self._passed[season], plan.days) if season else plan.days
        return plan.first + dt.timedelta(days=over - 1)

    def _following(self) -> Announced | None:
        """The batch to be announced next; None after the last."""
        season, place = self._next
        while season < self._source.seasons:
            plan, passed = self._plan(season)
            if place < len(plan.offers):
                offer = plan.offers[place]
                return Announced(len(self.all) + 1, season, offer, passed + offer.announced + 1 if season else 0)
            season, place = self._next = (season + 1, 0)
        return None

    def _plan(self, season: int) -> tuple[Plan, int]:
        """A season's plan, and the simulated days before it; the first season takes none."""
        if season == len(self._plans):
            before = self._passed[-1] + self._plans[-1].days if season > 1 else 0
            self._plans.append(self._source.plan(season))
            self._passed.append(before)
        return self._plans[season], self._passed[season]
