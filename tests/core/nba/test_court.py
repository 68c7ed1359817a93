"""The court: zones of well-known spots, symmetry, and agreement with real shots (in test_real_seasons)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parivision_core.nba import court

xs = st.integers(-court.HALF_WIDTH, court.HALF_WIDTH)
ys = st.integers(court.BASELINE_Y, court.FAR_BASELINE_Y)


@pytest.mark.parametrize(
    ("x", "y", "zone", "points"),
    [
        (0, 0, 1, 2),
        (0, 40, 2, 2),
        (80, 138, 2, 2),
        (-150, 50, 3, 2),
        (150, 50, 4, 2),
        (0, 237, 4, 2),
        (0, 238, 5, 3),
        (-220, 87, 6, 3),
        (-219, 0, 3, 2),
        (220, 0, 6, 3),
        (220, 88, 4, 2),
        (0, 420, 7, 3),
    ],
)
def test_known_spots(x: int, y: int, zone: int, points: int) -> None:
    assert int(court.zone(x, y)) == zone
    assert int(court.points(x, y)) == points


@given(xs, ys)
def test_mirroring_keeps_distance_and_points_and_swaps_sides(x: int, y: int) -> None:
    assert court.points(x, y) == court.points(-x, y)
    assert court.feet(x, y) == court.feet(-x, y)
    here, there = int(court.zone(x, y)), int(court.zone(-x, y))
    assert here == there or {here, there} == {3, 4}


@given(xs, ys)
def test_every_spot_has_a_zone(x: int, y: int) -> None:
    assert int(court.zone(x, y)) in court.ZONES


def test_metres_and_angle() -> None:
    assert court.distance(0, 237.5) * court.METRES_PER_TENTH == pytest.approx(7.24, abs=0.01)
    assert np.allclose(court.angle([0, -10, 10], [10, 0, 0]), [0, -90, 90])
