"""Unit and hand of a source's coordinates: inferred from the shots and verified, never taken from a file's name.

The hand is the sign of X on the shooter's right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from parivision_core.arrays import Array
from parivision_core.nba import court
from parivision_core.problems import BatchError
from parivision_core.sport import Details

REQUIRED_AGREEMENT = 0.99
FORGIVEN_ROWS = 2
"""Rows of a small batch that may contradict their stated distance."""


@dataclass(frozen=True)
class Unit:
    """x = x_scale * X and y = y_scale * Y + y_shift bring a source's numbers to tenths of a foot from the hoop."""

    name: str
    x_scale: float
    y_scale: float
    y_shift: float
    hand: int
    """The hand to assume where the shots don't show it."""


HOOP_TENTHS = Unit("tenths of a foot from the hoop", 1, 1, 0, hand=1)
# The season files measure y from the baseline, 5.25 ft behind the hoop; some of them divide by ten once more.
BASELINE_FEET = Unit("feet from the baseline", 10, 10, -52.5, hand=-1)
BASELINE_TENS = Unit("tens of feet from the baseline", 100, 100, -577.5, hand=1)
HOOP_FEET = Unit("feet from the hoop", 10, 10, 0, hand=1)
HOOP_INCHES = Unit("inches from the hoop", 10 / 12, 10 / 12, 0, hand=1)

UNITS = (HOOP_TENTHS, BASELINE_FEET, BASELINE_TENS, HOOP_FEET, HOOP_INCHES)


@dataclass(frozen=True)
class Placement:
    """A unit and a hand, with the share of shots that agree with each (1 where none could be compared)."""

    unit: Unit
    hand: int
    agreement: float
    hand_agreement: float

    def apply(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Coordinates in whole tenths of a foot (as floats, NaN stays NaN)."""
        # Adding zero turns the -0.0 of a mirrored 0 into 0.0.
        return (
            np.rint(self.hand * self.unit.x_scale * x) + 0.0,
            np.rint(np.round(self.unit.y_scale * y + self.unit.y_shift, 6)) + 0.0,
        )

    def details(self) -> dict[str, str | int | float]:
        """As the batch's manifest keeps it."""
        return {
            "unit": self.unit.name,
            "hand": self.hand,
            "distance_agreement": round(self.agreement, 5),
            "hand_agreement": round(self.hand_agreement, 5),
        }


def known_placement(details: Details) -> Placement | None:
    """The placement that `Placement.details` gave these details; None when there are none."""
    unit = next((unit for unit in UNITS if unit.name == details.get("unit")), None)
    if unit is None:
        return None
    agreements = (float(details[name]) for name in ("distance_agreement", "hand_agreement"))
    return Placement(unit, int(details["hand"]), *agreements)


def infer_placement(x: Array, y: Array, stated_feet: Array, side: Array, usual: tuple[Unit, ...] = ()) -> Placement:
    """Find the unit for which whole feet from the hoop equal the stated distance, and the hand that the areas show.

    All arrays are (n,); `side` is -1 where the source says left, 1 right, 0 centre. `usual` units are preferred as long
    as they agree, for with few shots under the rim every unit does. Raises BatchError when no unit agrees on 99 % of
    the shots, when too few shots leave two usual ones, or when no hand fits 99 % of the shots with a side.
    """
    if not len(x):
        raise BatchError("no shot has a readable location and distance, so the unit can't be inferred")
    agreement = {unit: _agreement(unit, x, y, stated_feet) for unit in UNITS}
    # A few rows may contradict their distance without making the unit doubtful, but never more than a quarter.
    allowed = max((1 - REQUIRED_AGREEMENT) * len(x), min(FORGIVEN_ROWS, len(x) // 4)) + 1e-9
    fitting = [unit for unit in UNITS if (1 - agreement[unit]) * len(x) <= allowed]
    candidates = [unit for unit in usual if unit in fitting] or fitting
    if not candidates:
        unit = max(UNITS, key=agreement.__getitem__)
        raise BatchError(
            f"the coordinates fit no known unit: the best, {unit.name}, agrees with the stated distance on "
            f"{agreement[unit]:.1%} of {len(x)} shots (99 % needed)"
        )
    unit = max(candidates, key=agreement.__getitem__)
    rivals = [u for u in candidates if agreement[u] == agreement[unit] and not _same(u, unit, x, y)]
    if rivals:
        raise BatchError(
            f"{len(x)} shots are too few to tell {unit.name} from {rivals[0].name}; put them into one file with others"
        )
    hand, hand_agreement = _hand(unit, x, side)
    return Placement(unit, hand, agreement[unit], hand_agreement)


def _same(one: Unit, other: Unit, x: Array, y: Array) -> bool:
    """Whether two units put every shot at the same location."""
    places = zip(Placement(one, 1, 1, 1).apply(x, y), Placement(other, 1, 1, 1).apply(x, y), strict=True)
    return all(np.array_equal(a, b) for a, b in places)


def _agreement(unit: Unit, x: Array, y: Array, stated_feet: Array) -> float:
    px, py = Placement(unit, 1, 1, 1).apply(x, y)
    return float(np.mean(court.feet(px, py) == stated_feet))


def _hand(unit: Unit, x: Array, side: Array) -> tuple[int, float]:
    off_centre = (side != 0) & (x != 0)
    if not off_centre.any():
        return unit.hand, 1.0
    agreement = float(np.mean(np.sign(x[off_centre]) == side[off_centre]))
    hand, agreement = (1, agreement) if agreement >= 0.5 else (-1, 1 - agreement)
    wrong = (1 - agreement) * off_centre.sum()
    if wrong > max((1 - REQUIRED_AGREEMENT) * off_centre.sum(), FORGIVEN_ROWS):
        raise BatchError(
            f"left and right contradict the coordinates: the better orientation fits {agreement:.1%} of "
            f"{off_centre.sum()} shots (99 % needed)"
        )
    return hand, agreement
