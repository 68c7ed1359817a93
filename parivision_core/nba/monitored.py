"""What drift reports compare of a basketball shot, and which of it alarms."""

from __future__ import annotations

from parivision_core.nba import features
from parivision_core.sport import Monitored

# Measured on simulated seasons in which nothing changes: the columns of the form drift for a champion of the season's
# first six weeks in up to 36 of 36 reports, and for one of a whole season still in up to half of them, for they fill as
# long as there are shots. The base rate follows the league by design, and the angle says what x and y say.
REPORTED_ONLY = ("angle", *features.FORM)

COLUMNS = (
    Monitored("x_metres", ("x_metres",)),
    Monitored("y_metres", ("y_metres",)),
    Monitored("distance_metres", ("distance_metres",)),
    # Some scorers click on the hoop itself; how many do is a habit of recording, and changes overnight.
    Monitored("at_origin", ("x_metres", "y_metres"), "origin"),
    Monitored("zone", features.ZONES, "category"),
    Monitored("points", ("points",), "category"),
    Monitored("kind", features.MASKS["kind"], "category"),
    Monitored("seconds_remaining", ("seconds_remaining",)),
    # As a number: overtimes by name are so rare that a single long game would alarm.
    Monitored("period", ("period",)),
    Monitored("home", ("home",), "category"),
    *(Monitored(name, (name,), watched=False) for name in REPORTED_ONLY),
)
