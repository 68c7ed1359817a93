"""What drift reports compare of a basketball shot, and which of it alarms."""

from __future__ import annotations

from parivision_core.nba.shots.history.in_game import NAMES as IN_GAME
from parivision_core.nba.shots.inputs import features
from parivision_core.sport import Monitored

# Measured on simulated seasons in which nothing changes: the columns of the feature state drift for a champion of the season's
# first six weeks in up to 36 of 36 reports, and for one of a whole season still in up to half of them, for they fill as
# long as there are shots. The base rate follows the league by design, the angle says what x and y say, and the days of
# rest follow the schedule.
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

NEITHER = tuple(name for name in (*features.FEATURE_STATE, *IN_GAME) if name not in REPORTED_ONLY)
"""Other readings of the same past, which would only make the report longer; the game so far follows the clock."""

COLUMNS = (
    Monitored("x_metres", ("x_metres",)),
    Monitored("y_metres", ("y_metres",)),
    Monitored("distance_metres", ("distance_metres",)),
    # Some scorers click on the hoop itself; how many do is a habit of recording, and changes overnight.
    Monitored("at_origin", ("x_metres", "y_metres"), "origin"),
    Monitored("zone", features.ZONES, "category"),
    Monitored("points", ("points",), "category"),
    Monitored("kind", features.KIND_COLUMNS, "category"),
    Monitored("seconds_remaining", ("seconds_remaining",)),
    # As a number: overtimes by name are so rare that a single long game would alarm.
    Monitored("period", ("period",)),
    Monitored("home", ("home",), "category"),
    *(Monitored(name, (name,), watched=False) for name in REPORTED_ONLY),
)
