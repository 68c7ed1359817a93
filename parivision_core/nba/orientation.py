"""Unit and hand of a source's coordinates: inferred from the shots and proven, never keyed on a file's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parivision_core.nba import court
from parivision_core.problems import BatchError

Array = NDArray[Any]

REQUIRED_AGREEMENT = 0.99
FORGIVEN_ROWS = 2
"""In a small batch, so many rows may contradict their stated distance without casting doubt on the unit."""


@dataclass(frozen=True)
class Unit:
    """x = x_scale * X and y = y_scale * Y + y_shift bring a source's numbers to tenths of a foot from the hoop."""

    name: str
    x_scale: float
    y_scale: float
    y_shift: float
    hand: int
    """Sign of X on the shooter's right where the source's own shots can't tell."""


UNITS = (
    Unit("tenths of a foot from the hoop", 1, 1, 0, hand=1),
    # Both season formats measure y from the baseline, 5.25 ft behind the hoop; the second divides by ten again.
    Unit("feet from the baseline", 10, 10, -52.5, hand=-1),
    Unit("tens of feet from the baseline", 100, 100, -577.5, hand=1),
    Unit("feet from the hoop", 10, 10, 0, hand=1),
    Unit("inches from the hoop", 10 / 12, 10 / 12, 0, hand=1),
)


@dataclass(frozen=True)
class Placement:
    """A unit and a hand, with the share of shots that prove each (1 where there was nothing to prove it by)."""

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
        """For the batch's manifest."""
        return {
            "unit": self.unit.name,
            "hand": self.hand,
            "distance_agreement": round(self.agreement, 5),
            "hand_agreement": round(self.hand_agreement, 5),
        }


def infer_placement(x: Array, y: Array, stated_feet: Array, side: Array) -> Placement:
    """Find the unit for which whole feet from the hoop equal the stated distance, and the hand that the areas name.

    All are (n,); `side` is -1 where the source says left, 1 right, 0 centre. Raises BatchError when no unit agrees
    on 99 % of the shots or no hand on 99 % of those with a side.
    """
    if not len(x):
        raise BatchError("no shot has a readable location and distance, so the unit can't be inferred")
    agreements = [_agreement(unit, x, y, stated_feet) for unit in UNITS]
    best = int(np.argmax(agreements))
    unit, agreement = UNITS[best], agreements[best]
    allowed = max((1 - REQUIRED_AGREEMENT) * len(x), min(FORGIVEN_ROWS, len(x) / 2))
    if (1 - agreement) * len(x) > allowed + 1e-9:
        raise BatchError(
            f"the coordinates fit no known unit: the best, {unit.name}, agrees with the stated distance on "
            f"{agreement:.1%} of {len(x)} shots (99 % needed)"
        )
    hand, hand_agreement = _hand(unit, x, side)
    return Placement(unit, hand, agreement, hand_agreement)


def _agreement(unit: Unit, x: Array, y: Array, stated_feet: Array) -> float:
    px, py = Placement(unit, 1, 1, 1).apply(x, y)
    return float(np.mean(court.feet(px, py) == stated_feet))


def _hand(unit: Unit, x: Array, side: Array) -> tuple[int, float]:
    telling = (side != 0) & (x != 0)
    if not telling.any():
        return unit.hand, 1.0
    agreement = float(np.mean(np.sign(x[telling]) == side[telling]))
    hand, agreement = (1, agreement) if agreement >= 0.5 else (-1, 1 - agreement)
    wrong = (1 - agreement) * telling.sum()
    if wrong > max((1 - REQUIRED_AGREEMENT) * telling.sum(), FORGIVEN_ROWS):
        raise BatchError(
            f"left and right contradict the coordinates: the better hand fits {agreement:.1%} of {telling.sum()} shots "
            "(99 % needed)"
        )
    return hand, agreement
