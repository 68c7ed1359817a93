"""How the original system's callers asked: seven fields, most of which follow from the spot.

Its coordinates are taken as its feed wrote them (`X Location` and `Y Location` of the Kaggle layout): tenths of a foot
from the hoop, left negative. Of its numbers the distance alone was named after another unit, so that alone had been
converted. The stated distance, points and zone are held against the spot, so a caller who means another unit or hand is
told so and never answered wrongly.
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
"""The original didn't ask for it. On 40,000 real shots the second quarter's answers cost 0.00002 in log loss against
the true period's, which is less than those of any other."""
ROUNDED_FEET = 2
"""Official distances are cut to whole feet, and the house takes records that are off by one more."""
NEAR = court.TENTHS_PER_FOOT
"""A shot so near to another zone may be stated as one of that zone, in tenths of a foot."""


class OriginalRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A shot as the original system's `POST /predict` took it. Numbers may come as text; other fields are ignored."""

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
    "Seven fields as the original system took them; numbers may be text, other fields are passed over. `X_Location` "
    "and `Y_Location` are tenths of a foot from the hoop, left negative, as its feed wrote them, and "
    "`Total_Seconds_Remaining` are those of the period. Distance, points and zone follow from the spot; where they "
    "contradict it by far more than rounding, the answer is 422 naming the field. The period, which was never asked "
    "for, is taken to be the second. The prediction log keeps the prediction like any other."
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
    """The request of today: what the original didn't know is left out, and the period is a usual one."""
    return ShotRequest(
        x=shot.x, y=shot.y, period=PERIOD, seconds_remaining=shot.seconds_remaining, player_id=shot.player_id
    )


ORIGINAL = Original(request=OriginalRequest, description=DESCRIPTION, problems=problems, translate=translate)
