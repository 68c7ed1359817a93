"""What may go wrong or change in the league that VirtualBets simulates."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from parivision_serving.virtual_bets.source import Fault, Offer

REVOLUTION_DAYS = 28
BAD_EVERY = 5
FAULTS = (Fault.DOCUMENTS, Fault.CUT, Fault.DOCUMENTS, Fault.GARBLED, Fault.DOCUMENTS, Fault.OUTAGE)
"""The faults of bad batches, in turn."""
LATE_SHARE = 0.1
LATE_DAYS = (10, 20)


class Scenario(StrEnum):
    """All scenarios have the same first season and a half; bad and late batches hold the same shots as calm ones.

    `calm`: nothing changes but the players.

    `three_point_revolution`: from the middle of the second season, over four weeks, the share of threes rises by 12
    points and stays there; most of it is taken from long twos. The make rate of each kind of shot stays the same.

    `new_recording`: from the middle of the second season, a quarter of the closest shots are recorded at exactly
    (0, 0), dunks first. The games don't change, but the make rates of recorded places do.

    `bad_batches`: every fifth day's batch is bad; its id ends in `-bad`. In turn: some documents break the
    contract, the last third of the documents is missing though the listing counts them, the bytes are no JSON, or the
    batch answers 500 to its first two requests after each start. GET /getdata hands out the documents of all of them.

    `late_batches`: a tenth of the days are announced 10 to 20 days late; their ids end in `-late`. Cursors follow the
    announcements, so those days come out of order.
    """

    CALM = "calm"
    THREE_POINT_REVOLUTION = "three_point_revolution"
    NEW_RECORDING = "new_recording"
    BAD_BATCHES = "bad_batches"
    LATE_BATCHES = "late_batches"


def change(scenario: Scenario, season: int, days: NDArray[np.int64], length: int) -> NDArray[np.float64]:
    """How far the league has changed, 0 to 1, on days (n,) of a season of `length` days; seasons count from 0."""
    if scenario not in (Scenario.THREE_POINT_REVOLUTION, Scenario.NEW_RECORDING) or season == 0:
        return np.zeros(len(days))
    if season > 1:
        return np.ones(len(days))
    since = days - length // 2
    if scenario is Scenario.NEW_RECORDING:
        return np.where(since >= 0, 1.0, 0.0)
    return np.clip(since / REVOLUTION_DAYS, 0.0, 1.0)


def timetable(scenario: Scenario, first: dt.date, days: list[int], rng: np.random.Generator) -> list[Offer]:
    """The batches of a season, one for each day (counted from the first) that has games, by announcement."""
    u = rng.random((len(days), 2))
    low, high = LATE_DAYS
    delay = np.where(u[:, 0] < LATE_SHARE, low + np.floor(u[:, 1] * (high - low + 1)), 0).astype(int).tolist()
    offers = []
    for i, day in enumerate(days):
        date = first + dt.timedelta(days=day)
        offer = Offer(str(date), date, day)
        # No batch is delayed beyond the season's end: the summer after it is skipped.
        if scenario is Scenario.LATE_BATCHES and delay[i] and day + delay[i] <= days[-1]:
            offer = Offer(f"{date}-late", date, day + delay[i])
        elif scenario is Scenario.BAD_BATCHES and (i + 1) % BAD_EVERY == 0:
            offer = Offer(f"{date}-bad", date, day, FAULTS[i // BAD_EVERY % len(FAULTS)])
        offers.append(offer)
    return sorted(offers, key=lambda offer: (offer.announced, offer.date))
