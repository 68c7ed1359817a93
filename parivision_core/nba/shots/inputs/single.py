"""One shot at a time: the row that `features.build` gives, from a feature state laid out for it.

An operation of numpy costs a microsecond, however short the array, and a shot needs hundreds of them. Plain numbers and
dictionaries give the same row in a twentieth of the time; a test compares the two builders.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from parivision_core.arrays import Float32s
from parivision_core.nba import court
from parivision_core.nba.shots.history.families import (
    FOOT_STRIDE,
    KIND_CODES,
    KIND_STRIDE,
    LAST_FOOT,
    NEAR,
    SQUARE_STRIDE,
    SQUARES_A_SIDE,
    SQUARES_TO_EDGE,
    TWO_FEET_STRIDE,
    ZONE_STRIDE,
)
from parivision_core.nba.shots.history.in_game import NAMES as IN_GAME
from parivision_core.nba.shots.history.league import FEET
from parivision_core.nba.shots.history.lookup import Lookup
from parivision_core.nba.shots.inputs import features
from parivision_core.nba.shots.kinds import KINDS
from parivision_core.nba.teams import FRANCHISE

_METRES = court.METRES_PER_TENTH
_ZONES = {zone: tuple(float(zone == z) for z in court.ZONES) for zone in court.ZONES}
_KINDS = [tuple(float(code == c) for c in range(1, len(KINDS) + 1)) for code in range(len(KINDS) + 1)]
_NOTHING_IN_GAME = (0.0,) * len(IN_GAME)


class SingleShot(msgspec.Struct, frozen=True, gc=False):
    """One shot's row of features, and what the answer says about the shot."""

    row: Float32s
    """(1, len(features.NAMES))."""
    base_logit: float
    distance: float
    """Tenths of a foot."""
    zone: int
    points: int
    shooter_shots: int
    """Earlier shots of the shooter; 0 if the shooter isn't known."""


def locate(x: float, y: float) -> tuple[float, float, int]:
    """Distance in tenths of a foot, degrees from straight in front, and zone of a spot: `court.locate` for one."""
    distance = abs(complex(x, y))  # the C library's hypot, as in numpy; math.hypot rounds differently
    angle = math.degrees(math.atan2(x, y))
    in_corner_strip = y < court.CORNER_END_Y
    three = abs(x) >= court.CORNER_THREE_X if in_corner_strip else distance > court.ARC_RADIUS
    if y >= court.BACKCOURT_Y:
        zone = 7
    elif distance < court.RESTRICTED_RADIUS:
        zone = 1
    elif three:
        zone = 6 if in_corner_strip else 5
    elif abs(x) <= court.PAINT_HALF_WIDTH and y <= court.FREE_THROW_Y:
        zone = 2
    else:
        zone = 3 if angle <= (-30 if distance < court.MID_RANGE_SPLIT else -18) else 4
    return distance, angle, zone


def keys_of(
    x: float, y: float, distance: float, zone: int, shooter: int, team: int, opponent: int, arena: int, kind: int
) -> tuple[int, ...]:
    """Key of a shot in each family, in their order, 0 where unknown: `families.keys_of` for one."""
    foot = min(int(distance // court.TENTHS_PER_FOOT), LAST_FOOT)
    square = 0
    if arena and distance < NEAR:
        column, row = (round(max(-NEAR, min(axis, NEAR)) / court.TENTHS_PER_FOOT) + SQUARES_TO_EDGE for axis in (x, y))
        square = arena * SQUARE_STRIDE + column * SQUARES_A_SIDE + row
    by_zone, at_foot = opponent and opponent * ZONE_STRIDE + zone, arena and arena * FOOT_STRIDE + foot
    return (
        kind and kind * TWO_FEET_STRIDE + foot // 2,
        shooter,
        shooter,
        shooter and shooter * ZONE_STRIDE + zone,
        shooter * KIND_STRIDE + kind if shooter and kind else 0,
        team,
        opponent,
        opponent,
        by_zone,
        by_zone,
        arena,
        arena and arena * ZONE_STRIDE + zone,
        at_foot,
        at_foot,
        square,
        arena * KIND_STRIDE + kind if arena and kind else 0,
    )


def build(
    look: Lookup,
    x: float,
    y: float,
    period: int,
    seconds_remaining: float,
    shooter: int,
    team: str,
    opponent: str,
    home: bool | None,
    rest_days: int,
    kind: str,
    arena: str,
) -> SingleShot:
    """Features of one shot without its game so far; what was left out is 0, None or an empty text."""
    distance, angle, zone = locate(x, y)
    points = 3 if zone >= court.FIRST_THREE_POINT_ZONE else 2
    foot = int(distance // court.TENTHS_PER_FOOT)
    base = look.base_logits[zone * FEET + min(foot, FEET - 1)]
    code = KIND_CODES.get(kind, 0)
    codes = FRANCHISE.get(team, 0), FRANCHISE.get(opponent, 0), FRANCHISE.get(arena, 0)
    keys = keys_of(x, y, distance, zone, shooter, *codes, code)
    shots = look.shooter_shots.get(shooter, 0.0)
    row = (
        x * _METRES,
        y * _METRES,
        distance * _METRES,
        seconds_remaining,
        points,
        *_ZONES[zone],
        angle,
        period,
        0.0 if home is None else 1.0 if home else -1.0,
        min(rest_days, features.LONGEST_REST),
        *_KINDS[code],
        base,
        *[of.get(key, 0.0) for of, key in zip(look.strengths, keys, strict=True)],
        math.log1p(shots),
        *_NOTHING_IN_GAME,
    )
    return SingleShot(np.array([row], dtype=np.float32), base, distance, zone, points, int(shots))
