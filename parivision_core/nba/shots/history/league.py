"""The daily league table: the make rate of every zone and foot before a day, which follows the league's drift."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

from parivision_core.arrays import Array, Floats, Ints
from parivision_core.nba.court import ZONE_SLOTS
from parivision_core.scoring import logit

FEET = 41
"""Distance cells of each zone: 0 .. 39 ft and everything beyond."""
CELLS = ZONE_SLOTS * FEET

PRIOR_RATE = {1: 0.6157, 2: 0.4011, 3: 0.3984, 4: 0.4016, 5: 0.3503, 6: 0.3866, 7: 0.0218}
"""Make rate by zone over 1.02 million shots (seasons 2015-2018 and 2020): what the league table starts from."""

ZONE_PRIOR_SHOTS = 2000.0
CELL_PRIOR_SHOTS = 200.0
CELL_HALF_LIFE = 120.0
"""In days with games: long, for the shape of the table within a zone hardly changes."""
ZONE_HALF_LIFE = 60.0
"""In days with games: short, so that the base rate follows the league's drift."""

DEFINITION = {
    "cells": [CELLS, FEET],
    "prior": PRIOR_RATE,
    "strength": [ZONE_PRIOR_SHOTS, CELL_PRIOR_SHOTS],
    "half_life": [CELL_HALF_LIFE, ZONE_HALF_LIFE],
}
"""Everything besides the shots that the table's rates depend on."""


def cell_of(zone: Array, feet: Array) -> Ints:
    """Index of the base table's cell: zone x foot."""
    cell: Ints = np.asarray(zone, dtype=np.int64) * FEET + np.minimum(feet, FEET - 1)
    return cell


@dataclass
class LeagueTable:
    """The daily league table: decayed shots and makes by cell (slow) and by zone (fast and slow).

    Shapes are (2, CELLS) and (2, ZONE_SLOTS).
    """

    cells: Floats = field(default_factory=lambda: np.zeros((2, CELLS)))
    zones: Floats = field(default_factory=lambda: np.zeros((2, ZONE_SLOTS)))
    slow_zones: Floats = field(default_factory=lambda: np.zeros((2, ZONE_SLOTS)))

    def logits(self) -> Floats:
        """Base rate of every cell as log odds, (CELLS,): the slow cell shifted by the zone's recent drift."""
        prior = np.array([PRIOR_RATE.get(z, 0.5) for z in range(ZONE_SLOTS)])
        fast = (self.zones[1] + ZONE_PRIOR_SHOTS * prior) / (self.zones[0] + ZONE_PRIOR_SHOTS)
        slow = (self.slow_zones[1] + ZONE_PRIOR_SHOTS * prior) / (self.slow_zones[0] + ZONE_PRIOR_SHOTS)
        parent = np.repeat(slow, FEET)
        cell = (self.cells[1] + CELL_PRIOR_SHOTS * parent) / (self.cells[0] + CELL_PRIOR_SHOTS)
        return logit(cell) + np.repeat(logit(fast) - logit(slow), FEET)

    def after_day(self, cell: Ints, made: Floats) -> LeagueTable:
        """The table once a day's shots are added and the older ones have decayed by one day."""
        counts = np.stack([np.bincount(cell, minlength=CELLS), np.bincount(cell, weights=made, minlength=CELLS)])
        by_zone = counts.reshape(2, ZONE_SLOTS, FEET).sum(axis=2)
        slow, fast = 0.5 ** (1 / CELL_HALF_LIFE), 0.5 ** (1 / ZONE_HALF_LIFE)
        return LeagueTable(self.cells * slow + counts, self.zones * fast + by_zone, self.slow_zones * slow + by_zone)


def fold_league(league: LeagueTable, cell: Ints, day: Ints, made: Floats, days: int) -> tuple[Floats, LeagueTable]:
    """Base log odds of each shot before its day, (n,), and the table after the last day.

    `cell`, `day` (0 .. days - 1) and `made` are (n,), in any order.
    """
    order = np.argsort(day, kind="stable")
    bounds = np.searchsorted(day[order], np.arange(days + 1))
    base = np.empty(len(cell))
    for start, stop in itertools.pairwise(bounds):
        rows = order[start:stop]
        base[rows] = league.logits()[cell[rows]]
        league = league.after_day(cell[rows], made[rows])
    return base, league
