"""The columns of an NBA shot that drift reports compare, and which of them alarm."""

from __future__ import annotations

from parivision_core.nba.shots.history.in_game import NAMES as IN_GAME
from parivision_core.nba.shots.inputs import features
from parivision_core.sport import Monitored

# Measured on simulated seasons in which nothing changes: for a champion trained on the first six weeks of a season, the
# columns from the history drift in up to 36 of 36 reports, and for one of a whole season still in up to half of them,
# for their sums grow with every shot. The base rate follows the league by design, the angle repeats x and y, and the
# days of rest follow the schedule.
REPORTED_ONLY = (
    "angle",
    "rest_days",
    "base_logit",
    "shooter_residual",
    "shooter_zone_residual",
    "shooter_shots",
    "team_residual",
    "opponent_residual",
    "opponent_zone_residual",
    "arena_foot_residual",
)

NEITHER = tuple(name for name in (*features.HISTORY, *IN_GAME) if name not in REPORTED_ONLY)
"""Columns left out: more readings of the same past, and in-game features, which follow the clock."""

COLUMNS = (
    Monitored("x_metres", ("x_metres",)),
    Monitored("y_metres", ("y_metres",)),
    Monitored("distance_metres", ("distance_metres",)),
    # Some scorers click on the hoop itself; that is a habit of recording, which can change from one day to the next.
    Monitored("at_origin", ("x_metres", "y_metres"), "origin"),
    Monitored("zone", features.ZONES, "category"),
    Monitored("points", ("points",), "category"),
    Monitored("kind", features.KIND_COLUMNS, "category"),
    Monitored("seconds_remaining", ("seconds_remaining",)),
    # As a number: as categories, overtimes are so rare that a single long game would alarm.
    Monitored("period", ("period",)),
    Monitored("home", ("home",), "category"),
    *(Monitored(name, (name,), watched=False) for name in REPORTED_ONLY),
)
