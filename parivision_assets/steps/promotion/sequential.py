"""Confidence bounds that hold at every look at once, however many looks there are and whenever they come.

They are asymptotic confidence sequences: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit
theory and asymptotic confidence sequences", Annals of Statistics 52 (2024). Alpha spending would be a little sharper,
but it wants the number of looks, or at least the last one, to be known beforehand. Here batches come when they come,
and a person may look again at any time; none of that makes these bounds less valid.
"""

from __future__ import annotations

import math

ALPHA = 0.05
"""The chance that a term ever ends by a candidate that is no better."""
TUNED_FOR = 100
"""Games at which the bounds are about as tight as they can be; they are valid at any number."""


def alpha_of(tried: int) -> float:
    """What the candidate tried as so many-th in a term (from 1) may use of ALPHA.

    The shares 1/2, 1/6, 1/12 ... of all candidates add up to one, so their number need not be known either.
    """
    return ALPHA / (tried * (tried + 1))


def radius(deviation: float, games: int, alpha: float) -> float:
    """How far the mean of so many games may lie on one side of the truth at any look, but for a chance of `alpha`.

    `deviation` is the standard deviation of the games' contributions to the mean. It is the bound of a normal mixture
    over positive drifts, whose width `rho` is chosen before any game is seen.
    """
    rho2 = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / TUNED_FOR
    spread = games * rho2 + 1
    return deviation * math.sqrt(2 * spread / (games**2 * rho2) * math.log1p(math.sqrt(spread) / (2 * alpha)))
