"""The families of the feature state: how shots are grouped, how fast a group's past fades, and how far it is shrunk.

A group's key joins two numbers as `one * stride + other`, where the stride exceeds every value of the other. The
vectorised builder (`keys_of`) and the one for single shots (`inputs.single`) share these strides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from parivision_core.arrays import Array, Bools, Columns, Ints
from parivision_core.nba import court
from parivision_core.nba.shots.kinds import KINDS
from parivision_core.nba.teams import FRANCHISE

KIND_CODES = {kind: code for code, kind in enumerate(KINDS, start=1)}
"""Kind -> its number; an unknown kind is 0."""


@dataclass(frozen=True)
class Family:
    """One way of grouping shots by what they share."""

    prior: float
    """Strength of the empirical-Bayes prior at zero, in units of p(1-p) summed over shots (about four shots each)."""
    half_life: float | None = None
    """In days with games; None for sums that never fade."""
    of_kind: bool = False
    """Whether residuals are taken against the rate of the shot's kind, which must be known then."""

    @property
    def decay(self) -> float:
        """Share of a sum that is left after a day."""
        return 1.0 if self.half_life is None else 0.5 ** (1 / self.half_life)


KIND = "kind_foot"
"""The league's rate of each kind from each distance, against which residuals of a known kind are taken."""

FAMILIES: dict[str, Family] = {
    KIND: Family(100, 120),
    "shooter": Family(60),
    "shooter_recent": Family(30, 20),
    "shooter_zone": Family(60),
    "shooter_kind": Family(40, of_kind=True),
    "team": Family(400),
    "opponent": Family(400),
    "opponent_recent": Family(100, 30),
    "opponent_zone": Family(400),
    "opponent_zone_recent": Family(100, 60),
    "arena": Family(200, 120),
    "arena_zone": Family(100, 120),
    "arena_foot": Family(30, 120),
    "arena_foot_recent": Family(15, 30),
    "arena_spot": Family(20, 240),
    "arena_kind": Family(60, 120, of_kind=True),
}
"""Family by name, in the order in which they are looked up; the priors and half-lives were chosen on season 2021."""

ZONE_STRIDE = court.ZONE_SLOTS
KIND_STRIDE = 16
"""Room for a few more kinds: a larger stride would change every key."""
FOOT_STRIDE = 40
LAST_FOOT = FOOT_STRIDE - 1
"""Whole feet from the hoop; shots from farther away are counted here."""
TWO_FEET_STRIDE = FOOT_STRIDE // 2
"""Distances in steps of two feet."""

NEAR = 100
"""Tenths of a foot from the hoop within which an arena's shots are grouped by square foot."""
SQUARES_TO_EDGE = NEAR // court.TENTHS_PER_FOOT
"""Square feet from the one at the hoop to each edge of that area."""
SQUARES_A_SIDE = 2 * SQUARES_TO_EDGE + 1
SQUARE_STRIDE = SQUARES_A_SIDE**2


def team_codes(teams: Array) -> Ints:
    """Franchise id of each abbreviation, 0 where it is unknown or missing; a franchise keeps its id when it moves.

    Integers are returned unchanged, as franchise ids.
    """
    return _codes(teams, FRANCHISE)


def kind_codes(kinds: Array) -> Ints:
    """1, 2, ... for each of KINDS, 0 where the kind is unknown; integers are returned unchanged."""
    return _codes(kinds, KIND_CODES)


def _codes(names: Array, codes: Mapping[str, int]) -> Ints:
    names = np.asarray(names)
    if np.issubdtype(names.dtype, np.integer):
        return names.astype(np.int64, copy=False)
    # A plain loop is faster than any sorting of text, for one row and for a season.
    return np.array([codes.get(name, 0) for name in names.tolist()], dtype=np.int64)


def keys_of(shots: Columns, spots: court.Spots) -> dict[str, Ints]:
    """Integer key of each shot in each family, (n,); 0 means unknown and has no past.

    `shots` holds `player_id`, `team`, `opponent`, `arena` (the home team of the arena whose scorers recorded the spot)
    and `kind`, each (n,), with 0 or the empty string where it isn't known.
    """
    shooter = np.asarray(shots["player_id"], dtype=np.int64)
    team, opponent, arena = (team_codes(shots[name]) for name in ("team", "opponent", "arena"))
    kind, zone = kind_codes(shots["kind"]), np.asarray(spots.zone, dtype=np.int64)
    feet = np.minimum(spots.feet, LAST_FOOT)
    column, row = (_square(axis) + SQUARES_TO_EDGE for axis in (spots.x, spots.y))
    near = spots.distance < NEAR

    def both(one: Ints, other: Ints, stride: int, known: Bools | bool = True) -> Ints:
        return np.where((one > 0) & known, one * stride + other, 0)

    return {
        KIND: both(kind, feet // 2, TWO_FEET_STRIDE),
        "shooter": shooter,
        "shooter_recent": shooter,
        "shooter_zone": both(shooter, zone, ZONE_STRIDE),
        "shooter_kind": both(shooter, kind, KIND_STRIDE, kind > 0),
        "team": team,
        "opponent": opponent,
        "opponent_recent": opponent,
        "opponent_zone": both(opponent, zone, ZONE_STRIDE),
        "opponent_zone_recent": both(opponent, zone, ZONE_STRIDE),
        "arena": arena,
        "arena_zone": both(arena, zone, ZONE_STRIDE),
        "arena_foot": both(arena, feet, FOOT_STRIDE),
        "arena_foot_recent": both(arena, feet, FOOT_STRIDE),
        "arena_spot": both(arena, column * SQUARES_A_SIDE + row, SQUARE_STRIDE, near),
        "arena_kind": both(arena, kind, KIND_STRIDE, kind > 0),
    }


def _square(axis: Array) -> Ints:
    """Square feet from the hoop along an axis (n,), in tenths of a foot, within the area of `NEAR`."""
    return np.rint(np.clip(axis, -NEAR, NEAR) / court.TENTHS_PER_FOOT).astype(np.int64)
