"""The request of the original system: seven fields, most of which follow from the spot.

Its coordinates are those of its feed (`X Location` and `Y Location` of the Kaggle layout): tenths of a foot from the
hoop, left negative. Only the distance was converted, to metres, as its name says. The stated distance, points and zone
are compared with the spot, so that a request in another unit or orientation is refused, not answered wrongly.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from parivision_core.nba import court
from parivision_core.nba.shots.inputs.request import Clock, PlayerId, ShotRequest, X, Y
from parivision_core.sport import FieldProblem, Original

PERIOD = 2
"""Assumed, for the original request doesn't have it. On 40,000 real shots the second quarter costs 0.00002 in log loss
against the true period, less than any other does."""
ROUNDED_FEET = 2
"""Official distances are rounded down to whole feet, and records that are off by one more are accepted."""
NEAR = court.TENTHS_PER_FOOT
"""Tenths of a foot; a shot this close to another zone may be stated as one of that zone."""


class OriginalRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A shot as the original system's `POST /predict` took it. Numbers may be text; other fields are ignored."""

    player_id: PlayerId = msgspec.field(name="Player_ID")
    x: X = msgspec.field(name="X_Location")
    y: Y = msgspec.field(name="Y_Location")
    seconds_remaining: Clock = msgspec.field(name="Total_Seconds_Remaining")
    points: Annotated[int, Meta(ge=2, le=3, description="2 or 3: what a make counts.", examples=[2])] = msgspec.field(
        name="Shot_Type_Encoded"
    )
    metres: Annotated[float, Meta(ge=0, le=30, description="Distance from the hoop in metres.", examples=[4.48])] = (
        msgspec.field(name="Shot_Distance_Meters")
    )
    zone: Annotated[
        int,
        Meta(ge=1, le=7, description="; ".join(f"{z} {name}" for z, name in court.ZONES.items()), examples=[3]),
    ] = msgspec.field(name="Shot_Zone_Combined")


DESCRIPTION = (
    "Seven fields as the original system took them; numbers may be text, other fields are ignored. `X_Location` "
    "and `Y_Location` are tenths of a foot from the hoop, left negative, as in its feed, and "
    "`Total_Seconds_Remaining` are those of the period. Distance, points and zone follow from the spot; where they "
    "contradict it by far more than rounding, the answer is 422 and names the field. The period, which isn't among the "
    "fields, is assumed to be the second. The prediction log keeps the prediction like any other."
)


def problems(shot: OriginalRequest) -> list[FieldProblem]:
    """Where distance, points or zone contradict the spot by far more than rounding."""
    across, along = np.meshgrid([shot.x - NEAR, shot.x, shot.x + NEAR], [shot.y - NEAR, shot.y, shot.y + NEAR])
    near, spot = court.locate(across.ravel(), along.ravel()), court.locate([shot.x], [shot.y])
    found = []
    metres = float(spot.distance[0]) * court.METRES_PER_TENTH
    if abs(shot.metres - metres) > ROUNDED_FEET * court.TENTHS_PER_FOOT * court.METRES_PER_TENTH:
        found.append(
            FieldProblem(
                "Shot_Distance_Meters",
                f"the spot is {metres:.2f} m from the hoop; X_Location and Y_Location are tenths of a foot from it",
            )
        )
    if shot.points not in near.points:
        found.append(FieldProblem("Shot_Type_Encoded", f"a make from the spot counts {spot.points[0]}"))
    if shot.zone not in near.zone:
        zone = int(spot.zone[0])
        found.append(
            FieldProblem(
                "Shot_Zone_Combined",
                f"the spot lies in {zone}, {court.ZONES[zone]}; left is where X_Location is negative",
            )
        )
    return found


def translate(shot: OriginalRequest) -> ShotRequest:
    """The same as a request of this API: what the original doesn't have is left out, but for the period."""
    return ShotRequest(
        x=shot.x, y=shot.y, period=PERIOD, seconds_remaining=shot.seconds_remaining, player_id=shot.player_id
    )


ORIGINAL = Original(request=OriginalRequest, description=DESCRIPTION, problems=problems, translate=translate)
