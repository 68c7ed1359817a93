"""The simulated league as a source of seasons."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from parivision_serving.virtual_bets.nba.documents import documents
from parivision_serving.virtual_bets.nba.faults import broken, cut
from parivision_serving.virtual_bets.nba.figures import era
from parivision_serving.virtual_bets.nba.players import SimulatedLeague, first_league, next_league
from parivision_serving.virtual_bets.nba.recording import arenas
from parivision_serving.virtual_bets.nba.schedule import Schedule, make_schedule
from parivision_serving.virtual_bets.nba.season import Season, Stream, Streams, simulate
from parivision_serving.virtual_bets.scenarios import Scenario, timetable
from parivision_serving.virtual_bets.source import Document, Fault, Offer, Plan

REVISION = 1
"""To be raised with every change that gives other shots: a source that has been read must not change its past."""
FIRST_YEAR, LAST_YEAR = 1997, 2026
"""Years in which the first and the last season end: the first with official shots, and the last that is over, for a
shot in the future breaks the contract."""
MEASURED = 2018
"""The real season whose level the simulated ones have: zones, make rates, shots a game."""
KEPT = 3
"""Seasons in memory, about 12 MB each."""


class Simulator:
    """A source of simulated seasons; for one thread at a time."""

    def __init__(self, seed: int, scenario: Scenario, measured: int = MEASURED) -> None:
        self.name = f"simulation {REVISION}, seed {seed}, {scenario}"
        self.seasons = LAST_YEAR - FIRST_YEAR + 1
        self._seed, self._scenario, self._level = seed, scenario, era(measured)
        self._powers = arenas(self._streams(0)(Stream.ARENAS))
        self._leagues = [first_league(self._streams(0)(Stream.PLAYERS))]
        self._schedules: dict[int, Schedule] = {}
        self._played: OrderedDict[int, Season] = OrderedDict()

    def plan(self, season: int) -> Plan:
        """See BatchSource."""
        schedule = self._schedule(season)
        days = np.unique(schedule.day).tolist()
        offers = timetable(self._scenario, schedule.first, days, self._streams(season)(Stream.DELIVERY))
        return Plan(schedule.first, schedule.length, offers)

    def rows(self, season: int, offer: Offer) -> int:
        """See BatchSource."""
        found = self._rows(season, offer)
        return int(found.stop - found.start)

    def documents(self, season: int, offer: Offer) -> list[Document]:
        """See BatchSource."""
        found = self._rows(season, offer)
        sound = documents(self.season(season), found)
        if offer.fault is Fault.CUT:
            return cut(sound)
        if offer.fault is Fault.DOCUMENTS:
            return broken(sound, self._streams(season, found.start)(Stream.FAULTS))
        return sound

    def season(self, number: int) -> Season:
        """Play a season, or find it among the last ones played."""
        if number not in self._played:
            while len(self._played) >= KEPT:
                self._played.popitem(last=False)
            self._played[number] = simulate(
                FIRST_YEAR + number,
                number,
                self._scenario,
                self._level,
                self._schedule(number),
                self._league(number),
                self._streams(number),
                self._powers,
            )
        self._played.move_to_end(number)
        return self._played[number]

    def _rows(self, season: int, offer: Offer) -> slice:
        played = self.season(season)
        return played.rows((offer.date - played.schedule.first).days)

    def _schedule(self, number: int) -> Schedule:
        if number not in self._schedules:
            self._schedules[number] = make_schedule(FIRST_YEAR + number, self._streams(number)(Stream.SCHEDULE))
        return self._schedules[number]

    def _league(self, number: int) -> SimulatedLeague:
        while len(self._leagues) <= number:
            streams = self._streams(len(self._leagues))
            self._leagues.append(next_league(self._leagues[-1], streams(Stream.PLAYERS)))
        return self._leagues[number]

    def _streams(self, season: int, *more: int) -> Streams:
        def stream(which: Stream) -> np.random.Generator:
            key = (season, int(which), *more)
            return np.random.Generator(np.random.PCG64(np.random.SeedSequence(self._seed, spawn_key=key)))

        return stream
