"""The drawn court matches the rules of scoring, and a click gives the place that it shows."""

from __future__ import annotations

from math import cos, hypot, radians, sin

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageColor

from gradio_ui.charts import court_image
from gradio_ui.charts.court_image import (
    BEYOND,
    BOTTOM,
    FLOOR,
    LEFT,
    LINE,
    LINE_WIDTH,
    PAINT,
    RIGHT,
    TOP,
    to_court,
    to_pixel,
)
from parivision_core.nba import court

# Far enough from a drawn line on either side, in tenths of a foot.
STEP = LINE_WIDTH + 1.5


def colour(x: float, y: float) -> tuple[int, int, int]:
    found = court_image.draw().getpixel(tuple(round(p) for p in to_pixel(x, y)))
    assert isinstance(found, tuple)
    return found


def is_colour(x: float, y: float, name: str) -> bool:
    return bool(np.abs(np.subtract(colour(x, y), ImageColor.getrgb(name))).max() < 40)


def test_a_click_on_the_hoops_centre_is_the_origin() -> None:
    pixel = to_pixel(0, 0)
    assert pixel == (750, 156)
    assert to_court(*pixel) == (0, 0)


@given(st.integers(LEFT, RIGHT), st.integers(TOP, BOTTOM))
def test_every_place_is_found_from_its_pixel(x: int, y: int) -> None:
    assert to_court(*to_pixel(x, y)) == (x, y)


def test_left_is_negative_and_midcourt_is_below_the_hoop() -> None:
    assert to_court(0, 0) == (LEFT, TOP) == (-court.HALF_WIDTH, court.BASELINE_Y)
    assert to_court(court_image.WIDTH, court_image.HEIGHT) == (RIGHT, BOTTOM)
    assert court_image.draw().size == (court_image.WIDTH, court_image.HEIGHT)


@pytest.mark.parametrize("degrees", range(-66, 67, 6))
def test_the_arc_is_drawn_where_points_change(degrees: int) -> None:
    across, along = sin(radians(degrees)), cos(radians(degrees))
    distances = np.arange(200, 260, 0.25)
    points = court.points(distances * across, distances * along)
    edge = float(distances[int(np.argmax(points == 3))])
    x, y = edge * across, edge * along
    assert hypot(x, y) == pytest.approx(court.ARC_RADIUS, abs=0.5)
    assert is_colour(x, y, LINE)
    assert not is_colour((edge - STEP) * across, (edge - STEP) * along, LINE)
    assert not is_colour((edge + STEP) * across, (edge + STEP) * along, LINE)


@pytest.mark.parametrize("y", range(-40, 85, 25))
@pytest.mark.parametrize("side", [-1, 1])
def test_the_corners_are_drawn_where_points_change(y: int, side: int) -> None:
    across = np.arange(200, 250, 0.25)
    edge = side * float(across[int(np.argmax(court.points(side * across, np.full(len(across), y)) == 3))])
    assert is_colour(edge, y, LINE)
    assert not is_colour(edge - side * STEP, y, LINE) and not is_colour(edge + side * STEP, y, LINE)


@given(st.integers(LEFT + 4, RIGHT - 4), st.integers(TOP + 4, BOTTOM - 4))
def test_the_floor_has_the_colour_of_its_points(x: int, y: int) -> None:
    """Away from lines, which may be of any colour, a three is drawn in its colour and a two in another."""
    points = int(court.points(x, y))
    if colour(x, y) in {ImageColor.getrgb(name) for name in (BEYOND, FLOOR, PAINT)}:
        assert (colour(x, y) == ImageColor.getrgb(BEYOND)) == (points == 3)
