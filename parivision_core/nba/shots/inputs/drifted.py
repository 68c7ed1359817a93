"""Shots of a drifted league, long ones alone, to try out drift detection."""

from __future__ import annotations

import math

from parivision_core.nba import court
from parivision_core.nba.shots.inputs.request import ShotRequest

FARTHER_THAN_FEET = 25.0
"""A quarter of usual shots are taken from farther away."""


def from_afar(request: ShotRequest) -> bool:
    """Whether a shot is taken from more than 25 feet."""
    return math.hypot(request.x, request.y) > FARTHER_THAN_FEET * court.TENTHS_PER_FOOT
