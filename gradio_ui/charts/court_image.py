"""Draws the half court, and converts between its pixels and places on the court.

The hoop is at the top, as a shooter at midcourt sees it: so x grows to the right and y downwards, and nothing has to be
mirrored. All places are in tenths of a foot from the hoop, as in parivision_core.nba.court.
"""

from __future__ import annotations

from functools import cache
from math import asin, degrees

from PIL import Image, ImageDraw

from parivision_core.nba import court

SCALE = 3
"""Pixels per tenth of a foot: more than a click can aim at, and crisp on a fine display."""
SMOOTHING = 2
"""Drawn this many times larger, then reduced: Pillow's lines have steps."""

LEFT, RIGHT = -court.HALF_WIDTH, court.HALF_WIDTH
TOP = court.BASELINE_Y
BOTTOM = 418
"""The midcourt line: half of 94 ft, less the 5.25 ft from the baseline to the hoop."""
WIDTH, HEIGHT = (RIGHT - LEFT) * SCALE, (BOTTOM - TOP) * SCALE

FLOOR, BEYOND, PAINT = "#f3e6d0", "#ead8bb", "#e3c99f"
LINE, RIM = "#9c7a4d", "#d2561f"
LINE_WIDTH = 2
"""Two inches are 1.7 tenths."""

BOARD_Y, BOARD_HALF = -12, 30
RIM_RADIUS = 7.5
CIRCLE_RADIUS = 60


def to_court(pixel_x: float, pixel_y: float) -> tuple[int, int]:
    """The place that a pixel shows, in whole tenths of a foot: official records are no finer."""
    return round(LEFT + pixel_x / SCALE), round(TOP + pixel_y / SCALE)


def to_pixel(x: float, y: float) -> tuple[float, float]:
    """Where a place is in the image."""
    return (x - LEFT) * SCALE, (y - TOP) * SCALE


@cache
def draw() -> Image.Image:
    """The half court, WIDTH x HEIGHT."""
    image = Image.new("RGB", (WIDTH * SMOOTHING, HEIGHT * SMOOTHING), BEYOND)
    _Painter(ImageDraw.Draw(image)).paint()
    return image.reduce(SMOOTHING)


class _Painter:
    """Draws in court coordinates."""

    def __init__(self, draw: ImageDraw.ImageDraw) -> None:
        self._draw = draw

    def paint(self) -> None:
        """Draw from the floor up to the lines."""
        self._two_points()
        lane = (-court.PAINT_HALF_WIDTH, TOP, court.PAINT_HALF_WIDTH, court.FREE_THROW_Y)
        self._draw.rectangle(self._box(*lane), fill=PAINT)
        self._three_point_line()
        self._draw.rectangle(self._box(*lane), outline=LINE, width=self._line)
        self._draw.line(self._box(-CIRCLE_RADIUS, TOP, -CIRCLE_RADIUS, court.FREE_THROW_Y), LINE, self._line)
        self._draw.line(self._box(CIRCLE_RADIUS, TOP, CIRCLE_RADIUS, court.FREE_THROW_Y), LINE, self._line)
        self._arc(0, court.FREE_THROW_Y, CIRCLE_RADIUS, 0, 360)
        self._arc(0, 0, court.RESTRICTED_RADIUS, 0, 180)
        self._arc(0, BOTTOM, CIRCLE_RADIUS, 180, 360)
        self._draw.line(self._box(-BOARD_HALF, BOARD_Y, BOARD_HALF, BOARD_Y), LINE, 2 * self._line)
        self._arc(0, 0, RIM_RADIUS, 0, 360, RIM)
        self._draw.rectangle(self._box(LEFT, TOP, RIGHT, BOTTOM), outline=LINE, width=self._line)

    def _two_points(self) -> None:
        """The floor within the three-point line: a disc, and the strips beside the lane as far as the corners reach."""
        r = court.ARC_RADIUS
        self._draw.ellipse(self._box(-r, -r, r, r), fill=FLOOR)
        self._draw.rectangle(self._box(LEFT, TOP, RIGHT, court.CORNER_END_Y), fill=BEYOND)
        self._draw.rectangle(
            self._box(-court.CORNER_THREE_X, TOP, court.CORNER_THREE_X, court.CORNER_END_Y), fill=FLOOR
        )

    def _three_point_line(self) -> None:
        for side in (-court.CORNER_THREE_X, court.CORNER_THREE_X):
            self._draw.line(self._box(side, TOP, side, court.CORNER_END_Y), LINE, self._line)
        start = degrees(asin(court.CORNER_END_Y / court.ARC_RADIUS))
        self._arc(0, 0, court.ARC_RADIUS, start, 180 - start)

    @property
    def _line(self) -> int:
        return LINE_WIDTH * SCALE * SMOOTHING

    def _box(self, x0: float, y0: float, x1: float, y1: float) -> list[float]:
        return [SMOOTHING * p for p in (*to_pixel(x0, y0), *to_pixel(x1, y1))]

    def _arc(self, x: float, y: float, radius: float, start: float, end: float, fill: str = LINE) -> None:
        """Part of a circle, `start` to `end` degrees clockwise from the right; the line is centred on the radius."""
        outer = radius + LINE_WIDTH / 2
        self._draw.arc(self._box(x - outer, y - outer, x + outer, y + outer), start, end, fill, self._line)
