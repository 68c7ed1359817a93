"""Balances a league: what its zones and make rates must be multiplied and shifted by to have a given level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from parivision_serving.virtual_bets.nba.actions import ActionTable
from parivision_serving.virtual_bets.nba.figures import SKILL_OF_ZONE, ZONE_COUNT, Array, pick
from parivision_serving.virtual_bets.nba.grid import grid
from parivision_serving.virtual_bets.nba.players import SLOTS, TEAMS, SimulatedLeague, usage
from parivision_serving.virtual_bets.nba.tempo import tempo

SAMPLE = 40_000
ROUNDS = 25


@dataclass(frozen=True)
class Level:
    """What brings a league to its level, by zone (8,)."""

    mix: Array
    """Multiplies every shooter's weights of zones."""
    shift: Array
    """Added to every shot's log odds."""


def balance(league: SimulatedLeague, table: ActionTable, share: Array, rate: Array, rng: np.random.Generator) -> Level:
    """The level at which a league takes its shots from zones by `share` and makes them at `rate`, both (8,).

    Found on a sample of shooters, opponents and states of the game, with the chances of its shots, not their outcomes:
    shares are raked to 1e-4, and each shift found by Newton's method. The error left is that of the sample, 0.1 points
    of a make rate in the larger zones and 0.3 in the corners.
    """
    stream = tempo()
    n = SAMPLE
    u = rng.random((8, n))
    weight = np.cumsum(usage())
    player = np.searchsorted(weight / weight[-1], u[0], side="right")
    state = np.searchsorted(np.cumsum(stream.state_share), u[1], side="right").clip(max=len(stream.state_share) - 1)
    clock = np.searchsorted(np.cumsum(stream.clock_share), u[2], side="right").clip(max=len(stream.clock_share) - 1)
    period = np.searchsorted(np.cumsum(stream.period_share), u[3], side="right").clip(max=len(stream.period_share) - 1)
    other = (player // SLOTS + 1 + (u[4] * (len(TEAMS) - 1)).astype(np.int64)) % len(TEAMS)
    wanted = league.style[player] * stream.state_weight[state] * stream.clock_weight[clock]
    mix = np.ones(ZONE_COUNT)
    for _ in range(ROUNDS):
        present = (wanted * mix / (wanted @ mix)[:, None]).mean(axis=0)
        mix = mix * np.divide(share, present, out=np.ones(ZONE_COUNT), where=present > 0)
    rising = np.cumsum(wanted * mix, axis=1)
    zone = pick(rising / rising[:, -1:], u[5])
    feet = grid().feet[grid().draw(zone, u[6])]
    label = pick(table.rising[zone, feet], u[7])
    skill = SKILL_OF_ZONE[zone]
    odds = table.log_odds[zone, feet, label] + league.skill[player, skill] + league.defence[other, skill]
    odds += stream.state_shift[state] + stream.clock_shift[clock] + stream.period_shift[period]
    return Level(mix, np.array([0.0] + [_shift(odds[zone == z], rate[z]) for z in range(1, ZONE_COUNT)]))


def _shift(odds: Array, rate: float) -> float:
    """What must be added to log odds (n,) for their mean chance to be the rate; 0 for none."""
    if not len(odds):
        return 0.0
    shift = 0.0
    for _ in range(ROUNDS):
        p = 1 / (1 + np.exp(-(odds + shift)))
        # A step is held to 1, for far from the goal Newton's may leap over it.
        shift += float(np.clip((rate - p.mean()) / (p * (1 - p)).mean(), -1, 1))
    return shift
