"""Where a shot is recorded: near the hoop the scorers of arenas differ, and some click on the hoop itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from parivision_core.nba import court
from parivision_serving.virtual_bets.nba.actions import ACTIONS
from parivision_serving.virtual_bets.nba.figures import Array
from parivision_serving.virtual_bets.nba.grid import grid
from parivision_serving.virtual_bets.nba.play import Shots
from parivision_serving.virtual_bets.nba.players import TEAMS

ARENA_SPREAD = 0.4
"""Deviation of the logarithm of an arena's power: with it, the make rates at 0 to 3 ft deviate by 5 to 10 points from
arena to arena (measured: 4 to 11)."""
DUNK_PREFERENCE = 3.0
"""A dunk is this much likelier than another shot at the rim to be clicked on the hoop."""


@dataclass(frozen=True)
class Recording:
    """How a league records."""

    powers: Array
    """Of each arena, (30,): a shot at the rim, r of the way to the edge of the restricted area, is put at r**power."""
    usual: float
    """Share of the shots at the rim that are put at exactly (0, 0)."""
    changed: float
    """The same for those after the change, dunks first."""


def arenas(rng: np.random.Generator) -> Array:
    """The power of each team's arena, (30,), which it keeps for all seasons."""
    return np.exp(ARENA_SPREAD * rng.standard_normal(len(TEAMS)))


def record(
    shots: Shots, arena: Array, recording: Recording, change: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Recorded x and y (n,) in tenths of a foot; `arena` is the home team's index, `change` 0 or 1, both (n,)."""
    x, y = grid().x[shots.place].astype(np.float64), grid().y[shots.place].astype(np.float64)
    rim = shots.zone == 1
    reach, edge = np.maximum(court.distance(x, y), 1), court.RESTRICTED_RADIUS
    # Never at the hoop itself, which is a habit of its own, nor at the edge, where rounding would leave the area.
    recorded = np.clip(edge * (reach / edge) ** recording.powers[arena], 1, edge - 1)
    factor = np.where(rim, recorded / reach, 1.0)
    u = rng.random((len(rim), 2))
    dunk = np.array(["Dunk" in name for name in ACTIONS])[shots.action]
    plain = recording.changed / (1 + dunk[rim].mean() * (DUNK_PREFERENCE - 1))
    chance = np.where(change > 0, plain * np.where(dunk, DUNK_PREFERENCE, 1.0), 0.0)
    clicked = rim & ((u[:, 0] < recording.usual) | (u[:, 1] < chance))
    return _whole(x * factor, clicked), _whole(y * factor, clicked)


def _whole(value: Array, clicked: Array) -> Array:
    return np.where(clicked, 0, np.rint(value)).astype(np.int16)
