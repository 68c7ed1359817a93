"""The figures that the simulator is made from: aggregates of real seasons, none of their shots."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

FILE = Path(__file__).with_name("figures.json")

ZONE_COUNT = 8
"""Zones are numbered from 1 to 7; row 0 of a table by zone is empty."""
FEET = 41
"""Distance cells: 0 .. 39 ft and everything beyond."""

SKILLS = ("restricted", "paint", "mid", "above_break_3", "corner_3")
"""What a shooter and a defence are good at."""
SKILL_OF_ZONE = np.array([0, 0, 1, 2, 2, 3, 4, 3])


@dataclass(frozen=True)
class Era:
    """The level of one real season."""

    season: int
    """The year in which it ended."""
    share: Array
    """Share of shots by zone, (8,)."""
    rate: Array
    """Make rate by zone, (8,)."""
    shots_per_game: float
    origin_share: float
    """Share of all shots that are recorded at exactly (0, 0)."""
    kinds: dict[int, list[tuple[str, float, float]]]
    """By zone: each kind of shot with its share of the zone's shots and its make rate; rare ones are left out."""


@cache
def figures() -> dict[str, Any]:
    """The content of figures.json; its `source` says what was counted."""
    content: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return content


@cache
def era(season: int) -> Era:
    """The level of one of the seasons measured: 2018, 2021 or 2023, the year each ended."""
    found = figures()["eras"][str(season)]
    return Era(
        season=season,
        share=np.array([0.0, *found["share"]]) / sum(found["share"]),
        rate=np.array([0.0, *found["fg"]]),
        shots_per_game=found["shots_per_game"],
        origin_share=found["origin_share"],
        kinds={int(zone): kinds for zone, kinds in found["kinds"].items()},
    )


def logit(rate: Array | float) -> Array:
    """Log odds of rates strictly between 0 and 1."""
    p = np.asarray(rate, dtype=np.float64)
    return np.log(p / (1 - p))


def pick(cumulative: Array, u: Array) -> Array:
    """Index of the class that each u in [0, 1) falls into; `cumulative` is (n, classes), rising to 1, `u` is (n,)."""
    # Rounding may leave the last entry below 1: the sum then stops at the last class all the same.
    index: Array = (u[:, None] >= cumulative[:, :-1]).sum(axis=1)
    return index
