"""Plays all games of a season at once, shot by shot: step n is the n-th shot of every game that is still on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from parivision_core.nba.shots.contract import OVERTIME_SECONDS, QUARTER_SECONDS
from parivision_serving.virtual_bets.nba.actions import ActionTable
from parivision_serving.virtual_bets.nba.balance import Level
from parivision_serving.virtual_bets.nba.figures import SKILL_OF_ZONE, Array, figures, pick
from parivision_serving.virtual_bets.nba.grid import grid
from parivision_serving.virtual_bets.nba.players import APPEARS, SLOTS, USAGE_SPREAD, SimulatedLeague, usage
from parivision_serving.virtual_bets.nba.schedule import Schedule
from parivision_serving.virtual_bets.nba.tempo import (
    FURTHER_OVERTIME,
    HASTY,
    START,
    clock_of,
    gap_of,
    seconds_between,
    state_of,
    tempo,
)

DRAWS = 12
"""Random numbers a game and step."""
LAST_PERIOD = 10
"""After six overtimes, as many as there ever were, a game ends in any case."""
EVENT_STEPS = 4
"""An event number is 1 to 4 above that of the shot before: rebounds, fouls and the like lie between."""


@dataclass(frozen=True)
class Shots:
    """Shots in the order of games and of the clock, each (n,)."""

    game: Array
    """Index in the schedule."""
    event: Array
    period: Array
    seconds: Array
    """Whole seconds left in the period."""
    player: Array
    """Index in the league."""
    home: Array
    """1 for the home team's shots."""
    zone: Array
    place: Array
    """Index in the grid."""
    action: Array
    """Index in the names of actions."""
    made: Array


@dataclass(frozen=True)
class Setting:
    """What a season's shots depend on."""

    league: SimulatedLeague
    table: ActionTable
    schedule: Schedule
    before: Level
    after: Level
    change: Array
    """Where each game lies between the two levels, 0 to 1, (games,)."""
    pace: Array
    """Multiplies the seconds between shots, (games,)."""


def play(setting: Setting, rng: np.random.Generator) -> Shots:
    """Play the season.

    Every step draws the same count of random numbers whatever happens, so that a change of level leaves the games
    before it as they were.
    """
    table, games = tempo(), len(setting.pace)
    sides = np.stack([setting.schedule.away, setting.schedule.home], axis=1)
    rotation = _rotations(sides, rng)
    levels = _Levels(setting)
    period, event, side = (np.zeros(games, dtype=np.int64) for _ in range(3))
    made, on, hasty = np.ones(games, dtype=np.int64), np.ones(games, dtype=bool), np.zeros(games, dtype=bool)
    clock = np.full(games, -1.0)
    steps = []
    while True:
        u = rng.random((DRAWS, games))
        last = clock
        clock = last - seconds_between(table, made, u[0]) * setting.pace
        # Where the next shot would come too late there may be one hasty one; else the next period begins.
        second = np.searchsorted(table.hasty_rising, u[1], side="right").clip(max=HASTY - 1)
        hasty = (clock < 0) & (last > second + 1) & (u[2] < table.hasty_chance) & ~hasty
        clock = np.where(hasty, second + 0.5, clock)
        opens = clock < 0
        period = period + opens
        chance = np.select(
            [period <= 4, period == 5, period <= LAST_PERIOD], [1, table.overtime_chance, FURTHER_OVERTIME]
        )
        on &= ~opens | (u[3] < chance)
        if not on.any():
            break
        length = np.where(period <= 4, QUARTER_SECONDS, OVERTIME_SECONDS)
        clock = np.where(opens, length - seconds_between(table, np.ones_like(made), u[4]) * setting.pace, clock)
        gap = gap_of(last - clock)
        same = u[5] < np.where(opens, 0.5, table.same_team[made, gap])
        state = np.where(opens, START, state_of(same, made, gap))
        side = np.where(same, side, 1 - side)
        event = event + 1 + (EVENT_STEPS * u[6]).astype(np.int64)
        seconds = clock.astype(np.int64)
        player = sides[np.arange(games), side] * SLOTS + pick(rotation[np.arange(games), side], u[7])
        zone, place, action, made = levels.shoot(
            player, sides[np.arange(games), 1 - side], side, state, seconds, period, u[8:]
        )
        steps.append(
            np.stack([np.arange(games), event, period, seconds, player, side, zone, place, action, made])[:, on]
        )
    shots = np.concatenate(steps, axis=1)
    return Shots(*shots[:, np.argsort(shots[0], kind="stable")].astype(np.int32))


class _Levels:
    """The chances of one shot of every game."""

    def __init__(self, setting: Setting) -> None:
        def between(before: Array, after: Array) -> Array:
            share = setting.change[:, None]
            mixed: Array = before * (1 - share) + after * share
            return mixed

        self.league, self.table = setting.league, setting.table
        with np.errstate(divide="ignore"):
            self.mix = np.exp(between(np.log(setting.before.mix), np.log(setting.after.mix)))
        self.shift = between(setting.before.shift, setting.after.shift)
        self.edge = figures()["home"]["logit_effect"] / 2

    def shoot(
        self, player: Array, other: Array, home: Array, state: Array, seconds: Array, period: Array, u: Array
    ) -> tuple[Array, Array, Array, Array]:
        """Zone, place, action and outcome of a shot by each player against each team, (games,); u is (4, games)."""
        stream, clock = tempo(), clock_of(seconds)
        weight = self.league.style[player] * stream.state_weight[state] * stream.clock_weight[clock] * self.mix
        rising = np.cumsum(weight, axis=1)
        zone = pick(rising / rising[:, -1:], u[0])
        place = grid().draw(zone, u[1])
        feet = grid().feet[place]
        label = pick(self.table.rising[zone, feet], u[2])
        skill = SKILL_OF_ZONE[zone]
        odds = (
            self.table.log_odds[zone, feet, label]
            + self.shift[np.arange(len(zone)), zone]
            + self.league.skill[player, skill]
            + self.league.defence[other, skill]
            + self.edge * (2 * home - 1)
            + stream.state_shift[state]
            + stream.clock_shift[clock]
            + stream.period_shift[np.minimum(period, 5) - 1]
        )
        made = (u[3] < 1 / (1 + np.exp(-odds))).astype(np.int64)
        return zone, place, self.table.code[zone, label], made


def _rotations(sides: Array, rng: np.random.Generator) -> Array:
    """Cumulated share of a team's shots by player for each game and side, (games, 2, SLOTS)."""
    shape = (*sides.shape, SLOTS)
    plays = rng.random(shape) < APPEARS
    weight = usage()[:SLOTS] * np.exp(USAGE_SPREAD * rng.standard_normal(shape)) * np.maximum(plays, 1e-9)
    rising: Array = np.cumsum(weight, axis=2)
    rising /= rising[:, :, -1:]
    return rising
