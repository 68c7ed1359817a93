"""Shots of a world that has drifted: nothing but long ones, to try what notices it."""

from __future__ import annotations

import math

from parivision_core.nba import court
from parivision_core.nba.shots.inputs.request import ShotRequest

FARTHER_THAN_FEET = 25.0
"""Of the usual shots a quarter is taken from so far."""


def from_afar(request: ShotRequest) -> bool:
    """Whether a shot is taken from more than 25 feet."""
    return math.hypot(request.x, request.y) > FARTHER_THAN_FEET * court.TENTHS_PER_FOOT
