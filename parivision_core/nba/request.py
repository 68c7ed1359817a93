"""A shot as a caller asks about it: the request's fields and limits, and how it becomes one row of model inputs."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from parivision_core.nba import contract, court, features, form
from parivision_core.nba.kinds import KINDS
from parivision_core.nba.teams import ABBREVIATIONS
from parivision_core.scoring import sigmoid
from parivision_core.sport import FieldProblem, Prepared

# Made from the tables, so that the API can't offer a kind or team that the features don't know.
Kind = Enum("Kind", {kind: kind for kind in KINDS}, type=str, module=__name__)  # type: ignore[misc]
Team = Enum("Team", {names[0]: names[0] for names in ABBREVIATIONS.values()}, type=str, module=__name__)  # type: ignore[misc]


class ShotRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shot about to be taken. Only the spot and the clock are needed; each further field sharpens the answer."""

    x: Annotated[
        float,
        Meta(
            ge=-court.HALF_WIDTH,
            le=court.HALF_WIDTH,
            description="Tenths of a foot to the right of the hoop, facing it from midcourt; negative is left.",
            examples=[-120],
        ),
    ]
    y: Annotated[
        float,
        Meta(
            ge=court.BASELINE_Y,
            le=court.FAR_BASELINE_Y,
            description="Tenths of a foot from the hoop towards midcourt; the baseline is at -52.",
            examples=[85],
        ),
    ]
    period: Annotated[
        int,
        Meta(ge=1, le=contract.MAX_PERIOD, description="1-4 are quarters, 5 and up overtimes.", examples=[4]),
    ]
    seconds_remaining: Annotated[
        float,
        Meta(ge=0, le=contract.QUARTER_SECONDS, description="Seconds left in the period.", examples=[35]),
    ]
    player_id: Annotated[int, Meta(gt=0, lt=2**53, description="The shooter's NBA id.", examples=[201939])] | None = (
        None
    )
    team: Annotated[Team, Meta(description="The shooter's team.")] | None = None
    opponent: Annotated[Team, Meta(description="The defending team.")] | None = None
    home: Annotated[bool, Meta(description="Whether the shooter's team plays at home.")] | None = None
    kind: Annotated[Kind, Meta(description="Coarse kind of shot.")] | None = None


class ShotDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What was derived from the request."""

    distance_feet: float
    zone: int
    zone_name: str
    points: int
    shooter_shots: Annotated[int, Meta(description="Earlier shots of the shooter that the form knows; 0 if unknown.")]


def problems(request: ShotRequest) -> list[FieldProblem]:
    """What no single field shows: a clock longer than the period, a team that plays itself."""
    found = []
    longest = contract.period_seconds(request.period)
    if request.seconds_remaining > longest:
        found.append(FieldProblem("seconds_remaining", f"period {request.period} lasts {longest} seconds"))
    if request.team is not None and request.team == request.opponent:
        found.append(FieldProblem("opponent", "a team can't defend against itself"))
    return found


def columns_of(request: ShotRequest) -> form.Columns:
    """The request as columns of one row, with the contract's markers for what was left out."""
    return {
        "x": np.array([request.x]),
        "y": np.array([request.y]),
        "period": np.array([request.period]),
        "seconds_remaining": np.array([request.seconds_remaining]),
        "player_id": np.array([request.player_id or 0]),
        "team": np.array([request.team.value if request.team else ""]),
        "opponent": np.array([request.opponent.value if request.opponent else ""]),
        "home": np.array([-1 if request.home is None else int(request.home)]),
        "kind": np.array([request.kind.value if request.kind else ""]),
    }


def prepare(request: ShotRequest, current: form.Form) -> Prepared:
    """Model inputs of one request as of the current form, by the builder that training used."""
    columns = columns_of(request)
    history = form.look_up(current, columns)
    matrix, offset = features.build(columns, history)
    spots = history.spots
    zone = int(spots.zone[0])
    points = int(spots.points[0])
    return Prepared(
        features=matrix,
        offset=offset,
        points=points,
        league_average=float(sigmoid(float(history.base_logit[0]))),
        details=ShotDetails(
            distance_feet=round(float(spots.distance[0]) / court.TENTHS_PER_FOOT, 1),
            zone=zone,
            zone_name=court.ZONES[zone],
            points=points,
            shooter_shots=int(history.sums["shooter"][0, 2]),
        ),
    )
