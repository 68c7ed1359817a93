"""The half court as a grid, for maps of what a shot from each spot is worth."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from parivision_core.arrays import Columns, Floats
from parivision_core.fields import columns_of, fields_of
from parivision_core.nba import court
from parivision_core.nba.shots.inputs.request import Clock, Kind, Period, PlayerId, ShotRequest, Team, problems
from parivision_core.sport import FieldProblem, Surface

_FIELDS = fields_of(ShotRequest)


class CourtGrid(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which map to draw: how fine, and of which shot; by default an average shooter's in the middle of a quarter."""

    step: Annotated[
        int,
        Meta(ge=5, le=50, description="Tenths of a foot from one spot to the next; by default 10.", examples=[10]),
    ] = 10
    period: Annotated[Period, Meta(description="1-4 are quarters, 5 and up overtimes; by default 2.")] = 2
    seconds_remaining: Annotated[Clock, Meta(description="Seconds left in the period; by default 360.")] = 360.0
    player_id: PlayerId | None = None
    team: Annotated[Team, Meta(description="The shooter's team.")] | None = None
    opponent: Annotated[Team, Meta(description="The defending team.")] | None = None
    home: Annotated[bool, Meta(description="Whether the shooter's team plays at home.")] | None = None
    kind: Annotated[Kind, Meta(description="Coarse kind of shot.")] | None = None

    @property
    def shot(self) -> ShotRequest:
        """The request of all spots, at the hoop."""
        return ShotRequest(
            x=0.0,
            y=0.0,
            period=self.period,
            seconds_remaining=self.seconds_remaining,
            player_id=self.player_id,
            team=self.team,
            opponent=self.opponent,
            home=self.home,
            kind=self.kind,
        )


def grid_problems(query: CourtGrid) -> list[FieldProblem]:
    """Problems that the fields' own limits can't show."""
    return problems(query.shot)


def places(query: CourtGrid) -> tuple[Floats, Floats, Columns]:
    """The axes x (a,) and y (b,), which meet at the hoop, and columns (a * b,) of a request for each spot."""
    step = query.step
    x = step * np.arange(-(court.HALF_WIDTH // step), court.HALF_WIDTH // step + 1, dtype=np.float64)
    y = step * np.arange(-(-court.BASELINE_Y // step), -(-court.BACKCOURT_Y // step), dtype=np.float64)
    columns = {name: np.repeat(column, len(x) * len(y)) for name, column in columns_of(_FIELDS, [query.shot]).items()}
    columns["x"], columns["y"] = np.tile(x, len(y)), np.repeat(y, len(x))
    return x, y, columns


SURFACE = Surface(name="court", query=CourtGrid, problems=grid_problems, places=places)
