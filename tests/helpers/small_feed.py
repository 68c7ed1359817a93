"""A feed small enough to be played thousands of times: three seasons, and a clock that a test moves."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from parivision_serving.virtual_bets.clock import StateFile
from parivision_serving.virtual_bets.feed import FeedService
from parivision_serving.virtual_bets.settings import VirtualBetsSettings
from parivision_serving.virtual_bets.source import Document, Offer, Plan

SECONDS_A_DAY = 2.0
"""At the usual 30 days a minute."""


class FakeTime:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def pass_days(self, days: float) -> None:
        self.seconds += days * SECONDS_A_DAY


class SmallSource:
    """Three seasons of five batches and eight days; in each the second batch is announced after the fourth."""

    name = "small"
    seasons = 3
    DAYS = (0, 1, 2, 5, 7)
    ANNOUNCED = (0, 6, 2, 5, 7)

    def plan(self, season: int) -> Plan:
        first = dt.date(2001 + season, 11, 1)
        offers = [
            Offer(str(first + dt.timedelta(days=day)), first + dt.timedelta(days=day), announced)
            for day, announced in zip(self.DAYS, self.ANNOUNCED, strict=True)
        ]
        return Plan(first, self.DAYS[-1] + 1, sorted(offers, key=lambda offer: offer.announced))

    def rows(self, season: int, offer: Offer) -> int:
        return 1 + offer.date.day % 3

    def documents(self, season: int, offer: Offer) -> list[Document]:
        return [{"shot": f"{offer.id}/{i}"} for i in range(self.rows(season, offer))]


def everything() -> list[tuple[str, list[str]]]:
    """The ids of all batches of the small source with their shots, in the order of their announcement."""
    source = SmallSource()
    return [
        (offer.id, [document["shot"] for document in source.documents(season, offer)])
        for season in range(source.seasons)
        for offer in source.plan(season).offers
    ]


def open_feed(folder: Path, now: FakeTime, days_a_minute: float = 30.0, ahead_days: int = 0) -> FeedService:
    """A feed over the small source with its state in a folder; by default it never waits for a reader."""
    settings = VirtualBetsSettings(home=folder, days_a_minute=days_a_minute, ahead_days=ahead_days)
    return FeedService(SmallSource(), StateFile(settings.folder), settings, now)


def drop(feed: FeedService) -> None:
    """End as a kill does: nothing more is written, and the lock is released."""
    feed._file.close()
