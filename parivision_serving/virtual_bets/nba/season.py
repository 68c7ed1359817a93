"""One simulated season: played, recorded, and cut into days."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np

from parivision_serving.virtual_bets.nba.actions import actions
from parivision_serving.virtual_bets.nba.balance import balance
from parivision_serving.virtual_bets.nba.figures import Array, Era
from parivision_serving.virtual_bets.nba.play import Setting, Shots, play
from parivision_serving.virtual_bets.nba.players import SimulatedLeague
from parivision_serving.virtual_bets.nba.recording import Recording, record
from parivision_serving.virtual_bets.nba.schedule import Schedule
from parivision_serving.virtual_bets.scenarios import Scenario, change

PLAIN_SHOTS = 172.8
"""Shots a game where the pace is 1, found by simulation."""
PACE_SPREAD = 0.035
"""Deviation of the logarithm of a game's pace, with which its shots deviate by 11.5, as measured."""
MORE_THREES = 0.12
FROM_MID_RANGE = 0.8
"""The revolution's threes, as a share of all shots, and the part of them that comes from the mid-range."""
ON_THE_HOOP = 0.25
"""Share of the shots at the rim that the new recording puts at (0, 0); in 2004 to 2010 it was 25 % of all shots."""


class Stream(IntEnum):
    """The parts of a season, each with its own random numbers: a change in one leaves the others as they were."""

    ARENAS = 0
    PLAYERS = 1
    SCHEDULE = 2
    DELIVERY = 3
    BALANCE = 4
    PACE = 5
    PLAY = 6
    RECORDING = 7
    FAULTS = 8


Streams = Callable[[Stream], np.random.Generator]


@dataclass(frozen=True)
class Season:
    """A season's shots, in the order of days, games and the clock, and what their indices point to."""

    first_game_id: int
    schedule: Schedule
    league: SimulatedLeague
    shots: Shots
    x: Array
    y: Array
    """Recorded places in tenths of a foot, (n,)."""

    @cached_property
    def names(self) -> list[str]:
        """Names of the players."""
        return self.league.names

    @cached_property
    def days(self) -> Array:
        """Day of each shot, counted from the season's first and never falling, (n,)."""
        return self.schedule.day[self.shots.game]

    def rows(self, day: int) -> slice:
        """The shots of a day."""
        start, stop = np.searchsorted(self.days, [day, day + 1])
        return slice(int(start), int(stop))


def simulate(
    year: int,
    number: int,
    scenario: Scenario,
    level: Era,
    schedule: Schedule,
    league: SimulatedLeague,
    streams: Streams,
    powers: Array,
) -> Season:
    """Play and record the season that ends in `year`, the league's `number`-th, counted from 0."""
    share = level.share
    table = actions(level.season)
    before = balance(league, table, share, level.rate, streams(Stream.BALANCE))
    new = change(scenario, number, schedule.day, schedule.length)
    threes = scenario is Scenario.THREE_POINT_REVOLUTION and new.any()
    after = balance(league, table, _revolution(share), level.rate, streams(Stream.BALANCE)) if threes else before
    pace = np.exp(PACE_SPREAD * streams(Stream.PACE).standard_normal(len(new))) * PLAIN_SHOTS / level.shots_per_game
    shots = play(Setting(league, table, schedule, before, after, new, pace), streams(Stream.PLAY))
    recording = Recording(powers, level.origin_share / share[1], ON_THE_HOOP)
    hoop = new if scenario is Scenario.NEW_RECORDING else np.zeros_like(new)
    x, y = record(shots, schedule.home[shots.game], recording, hoop[shots.game], streams(Stream.RECORDING))
    # Official ids: 2 for the regular season, two digits of the year it began in, the game's number.
    return Season(20_000_000 + (year - 1) % 100 * 100_000 + 1, schedule, league, shots, x, y)


def _revolution(share: Array) -> Array:
    """Shares of zones, (8,), with more threes; corners gain in proportion."""
    after = share.copy()
    after[5:7] *= 1 + MORE_THREES / share[5:7].sum()
    after[3:5] *= 1 - FROM_MID_RANGE * MORE_THREES / share[3:5].sum()
    after[2] -= (1 - FROM_MID_RANGE) * MORE_THREES
    return after
