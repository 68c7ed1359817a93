"""The families of feature state: whose past is summed up, how fast it fades, and how strongly a short one is shrunk to zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from parivision_core.arrays import Array, Bools, Columns, Ints
from parivision_core.nba import court
from parivision_core.nba.shots.kinds import KINDS
from parivision_core.nba.teams import FRANCHISE

KIND_CODES = {kind: code for code, kind in enumerate(KINDS, start=1)}
"""Kind -> its number; 0 is for an unknown one."""


@dataclass(frozen=True)
class Family:
    """One way of grouping shots by what they share."""

    prior: float
    """Strength of the empirical-Bayes prior at zero, in units of p(1-p) summed over shots (about four shots each)."""
    half_life: float | None = None
    """In days with games; None for a past that never fades."""
    of_kind: bool = False
    """Whether residuals are measured against the rate of the kind of shot, which must be known then."""

    @property
    def fading(self) -> float:
        """What is left of a sum after a day."""
        return 1.0 if self.half_life is None else 0.5 ** (1 / self.half_life)


KIND = "kind_foot"
"""The league's rate of each kind from each distance: what residuals of a known kind are measured against."""

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

NEAR = 100
"""Tenths of a foot from the hoop up to which an arena's recorders are known square foot by square foot."""


def team_codes(teams: Array) -> Ints:
    """Franchise id of each abbreviation, 0 where it is unknown or missing; a franchise that moved stays itself.

    Numbers are taken for franchise ids.
    """
    return _codes(teams, FRANCHISE)


def kind_codes(kinds: Array) -> Ints:
    """1, 2, ... for each of KINDS, 0 where the kind is unknown; numbers are taken for these codes."""
    return _codes(kinds, KIND_CODES)


def _codes(names: Array, codes: Mapping[str, int]) -> Ints:
    names = np.asarray(names)
    if np.issubdtype(names.dtype, np.integer):
        return names.astype(np.int64, copy=False)
    # A plain loop is faster than any sorting of text, for one row and for a season.
    return np.array([codes.get(name, 0) for name in names.tolist()], dtype=np.int64)


def keys_of(shots: Columns, spots: court.Spots) -> dict[str, Ints]:
    """Integer key of each shot in each family, (n,); 0 stands for unknown and has no past.

    `shots` holds `player_id`, `team`, `opponent`, `arena` (the home team of the arena whose scorers recorded the spot)
    and `kind`, each (n,), with 0 or the empty string where it isn't known.
    """
    shooter = np.asarray(shots["player_id"], dtype=np.int64)
    team, opponent, arena = (team_codes(shots[name]) for name in ("team", "opponent", "arena"))
    kind, zone = kind_codes(shots["kind"]), np.asarray(spots.zone, dtype=np.int64)
    feet = np.minimum(spots.feet, 39)
    column, row = (np.rint(np.clip(place, -NEAR, NEAR) / 10).astype(np.int64) + 10 for place in (spots.x, spots.y))
    near = spots.distance < NEAR

    def both(one: Ints, other: Ints, size: int, known: Bools | bool = True) -> Ints:
        return np.where((one > 0) & known, one * size + other, 0)

    return {
        KIND: both(kind, feet // 2, 20),
        "shooter": shooter,
        "shooter_recent": shooter,
        "shooter_zone": both(shooter, zone, 8),
        "shooter_kind": both(shooter, kind, 16, kind > 0),
        "team": team,
        "opponent": opponent,
        "opponent_recent": opponent,
        "opponent_zone": both(opponent, zone, 8),
        "opponent_zone_recent": both(opponent, zone, 8),
        "arena": arena,
        "arena_zone": both(arena, zone, 8),
        "arena_foot": both(arena, feet, 40),
        "arena_foot_recent": both(arena, feet, 40),
        "arena_spot": both(arena, column * 21 + row, 441, near),
        "arena_kind": both(arena, kind, 16, kind > 0),
    }
