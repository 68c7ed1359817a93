"""Confidence bounds that hold at all looks at the data together, however many there are and whenever they come.

They are asymptotic confidence sequences: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit
theory and asymptotic confidence sequences", Annals of Statistics 52 (2024). Alpha spending would be a little sharper,
but the number of looks, or at least the last one, has to be known beforehand. Here batches arrive at any time, and a
person may start another look at any time; these bounds stay valid.
"""

from __future__ import annotations

import math

ALPHA = 0.05
"""The chance that a candidate that is no better ever ends a champion's term."""
TUNED_FOR = 100
"""Games at which the bounds are about as tight as they can be; they are valid at any number."""


def alpha_of(tried: int) -> float:
    """The part of ALPHA for the candidate with number `tried` in a term (from 1).

    The shares 1/2, 1/6, 1/12 ... add up to one, so the number of candidates need not be known beforehand.
    """
    return ALPHA / (tried * (tried + 1))


def radius(deviation: float, games: int, alpha: float) -> float:
    """How far the mean over so many games may be on one side of the truth at any look, except with a chance of `alpha`.

    `deviation` is the standard deviation of the games' contributions to the mean. It is the bound of a normal mixture
    over positive drifts, whose width `rho` is chosen before any game is seen.
    """
    rho2 = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / TUNED_FOR
    spread = games * rho2 + 1
    return deviation * math.sqrt(2 * spread / (games**2 * rho2) * math.log1p(math.sqrt(spread) / (2 * alpha)))
