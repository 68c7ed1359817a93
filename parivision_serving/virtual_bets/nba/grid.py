"""Where shots come from: every tenth of a foot of the court, weighted so that areas and distances have their shares."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np

from parivision_core.nba import court
from parivision_serving.virtual_bets.nba.figures import FEET, ZONE_COUNT, Array, figures

BACK_COURT_AREA_Y = 398
"""From here on the official record calls the area the back court, two feet before the zone of that name."""
BASIC = (
    "Restricted Area",
    "In The Paint (Non-RA)",
    "Mid-Range",
    "Above the Break 3",
    "Left Corner 3",
    "Right Corner 3",
    "Backcourt",
)
AREAS = ("Left Side", "Left Side Center", "Center", "Right Side Center", "Right Side", "Back Court")
RANGES = ("Less Than 8 ft.", "8-16 ft.", "16-24 ft.", "24+ ft.", "Back Court Shot")
BASIC_OF_ZONE = (0, 0, 1, 2, 2, 3, 4, 6)
"""Of a left corner; the right one is the next."""
CENTRE_ENDS = (181, 30, 18, 18, 181)
SIDE_BEGINS = (181, 30, 54, 90, 181)
"""Degrees at which the centre ends and the outer side begins, by range. All these boundaries were read off the records
of 2018 and 2023, and name each of their 428,927 places as the record does."""
BEHIND_TENTHS = 10.0
"""Shots thin out by e on each foot behind the hoop, where the backboard is in the way (chosen by eye)."""
RAKING_ROUNDS = 60


@dataclass(frozen=True)
class Labels:
    """What the official record calls places, as indices (n,) into BASIC, AREAS and RANGES."""

    basic: Array
    area: Array
    range: Array


@dataclass(frozen=True)
class SpotGrid:
    """Places (n,), sorted by zone, with the rising chance of each; see `draw`."""

    x: Array
    y: Array
    feet: Array
    rising: Array
    """Zone + cumulated share within the zone, (n,)."""
    feet_share: Array
    """Share of each foot within each zone, (8, FEET)."""

    def draw(self, zone: Array, u: Array) -> Array:
        """Index of a place for each shot from a zone, both (n,); u in [0, 1)."""
        # The sum of a zone and a u next to 1 may round up to the next zone.
        wanted: Array = np.minimum(zone + u, np.nextafter(zone + 1.0, 0.0))
        return np.searchsorted(self.rising, wanted, side="right")


def labels(x: Array, y: Array) -> Labels:
    """The official names of places (n,) in tenths of a foot."""
    spots = court.locate(x, y)
    zone, d, right = spots.zone, spots.distance, spots.x > 0
    back = (zone == 7) | ((zone == 5) & (spots.y >= BACK_COURT_AREA_Y))
    basic = np.take(BASIC_OF_ZONE, zone) + ((zone == 6) & right)
    three = zone >= court.FIRST_THREE_POINT_ZONE
    reach = np.select([back, three, d <= 80, d <= court.MID_RANGE_SPLIT], [4, 3, 0, 1], 2)
    inner, outer = np.take(CENTRE_ENDS, reach), np.take(SIDE_BEGINS, reach)
    turn = np.abs(court.angle(spots.x, spots.y))
    # The left takes its border, the right leaves it to the centre.
    centre = (turn < inner) | (right & (turn == inner))
    side = (zone == 6) | (turn > outer)
    area = np.select([back, centre & (zone != 6), side], [5, 2, np.where(right, 4, 0)], np.where(right, 3, 1))
    return Labels(basic, area, reach)


@cache
def grid() -> SpotGrid:
    """The places of all shots, built once a process.

    Areas and feet are raked (Deming and Stephan 1940) from an even spread over the court until both have the shares of
    the figures; within an area and foot all places are alike, but for those behind the hoop.
    """
    xs, ys = np.meshgrid(
        np.arange(-court.HALF_WIDTH, court.HALF_WIDTH + 1), np.arange(court.BASELINE_Y, court.FAR_BASELINE_Y + 1)
    )
    x, y = xs.ravel(), ys.ravel()
    zone = court.zone(x, y)
    order = np.argsort(zone, kind="stable")
    x, y, zone = x[order], y[order], zone[order]
    rows = figures()["zone_area_range"]
    cell = _cells(labels(x, y), rows)
    feet = np.minimum(court.feet(x, y), FEET - 1)
    even = np.where(cell < 0, 0.0, np.exp(np.minimum(y, 0) / BEHIND_TENTHS))
    key = np.maximum(cell, 0) * FEET + feet
    table = np.bincount(key, weights=even, minlength=len(rows) * FEET).reshape(len(rows), FEET)
    raked = rake(table, np.array([row[3] for row in rows]), np.array(figures()["distance_ft"]["share"]))
    weight = even * np.divide(raked, table, out=np.zeros_like(table), where=table > 0).ravel()[key]
    by_zone = np.bincount(zone, weights=weight, minlength=ZONE_COUNT)
    share = weight / by_zone[zone]
    # Sums start anew in each zone, and its last place takes what rounding leaves of 1.
    first = np.searchsorted(zone, np.arange(ZONE_COUNT + 1))
    inside = np.concatenate([np.cumsum(share[a:b]) for a, b in itertools.pairwise(first)])
    inside[first[2:] - 1] = 1.0
    feet_share = np.bincount(zone * FEET + feet, weights=share, minlength=ZONE_COUNT * FEET)
    return SpotGrid(x.astype(np.int16), y.astype(np.int16), feet, zone + inside, feet_share.reshape(ZONE_COUNT, FEET))


def rake(table: Array, row_share: Array, column_share: Array) -> Array:
    """Scale rows and columns of a table in turn until both have their shares; cells that are 0 stay 0."""
    result: Array = table / table.sum()
    for _ in range(RAKING_ROUNDS):
        result = result * _scale(column_share, result.sum(axis=0))
        result = result * _scale(row_share, result.sum(axis=1))[:, None]
    return result


def _scale(wanted: Array, present: Array) -> Array:
    factor: Array = np.divide(wanted, present, out=np.zeros_like(present), where=present > 0)
    return factor


def _cells(names: Labels, rows: list[list[str]]) -> Array:
    """Row of the figures for each place, -1 where shots are too rare to be counted."""
    number = np.full((len(BASIC), len(AREAS), len(RANGES)), -1)
    for i, (basic, area, reach, *_) in enumerate(rows):
        number[BASIC.index(basic), AREAS.index(area), RANGES.index(reach)] = i
    cells: Array = number[names.basic, names.area, names.range]
    return cells
