"""Whether a candidate's calibration is worse than its rival's on the same games, beyond noise; games are the unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parivision_core.arrays import Floats
from parivision_core.scoring import logit, recalibration, sigmoid

ONE_SIDED = 0.05
"""The chance that the lower end of `worse` lies above the truth."""
BINS = 15
RESAMPLES = 1000
SEED = 7


@dataclass(frozen=True)
class Regression:
    """One measure of calibration for both models, and by how much the candidate is farther off than its rival."""

    candidate: float
    rival: float
    worse: float
    """Difference of the distances from perfect calibration; negative when the candidate is better calibrated."""
    at_least: float
    """Lower 95 % end of `worse`: beyond noise."""


@dataclass(frozen=True)
class Calibration:
    """Both measures: Cox's slope, whose distance from 1 counts, and the expected error."""

    slope: Regression
    ece: Regression


def compare_calibration(
    made: NDArray[np.generic], game: NDArray[np.intp], candidate: NDArray[np.floating], rival: NDArray[np.floating]
) -> Calibration:
    """Compare two models' probabilities (n,) for the same shots: outcomes `made` (n,), games numbered from 0 (n,).

    Whole games are drawn with replacement, the same for both models and both measures. Standard errors won't do: both
    measures have a kink where a model is calibrated, and there noise that both models share would look like evidence.
    """
    y, shots = np.asarray(made, dtype=np.float64), np.bincount(game)
    rng = np.random.default_rng(SEED)
    draws = rng.multinomial(len(shots), np.full(len(shots), 1 / len(shots)), size=RESAMPLES)
    (our_slope, our_slopes), (their_slope, their_slopes) = (_slopes(y, game, p, draws) for p in (candidate, rival))
    (our_ece, our_eces), (their_ece, their_eces) = (_eces(y, game, p, draws, shots) for p in (candidate, rival))
    return Calibration(
        slope=Regression(
            our_slope,
            their_slope,
            abs(our_slope - 1) - abs(their_slope - 1),
            float(np.quantile(np.abs(our_slopes - 1) - np.abs(their_slopes - 1), ONE_SIDED)),
        ),
        ece=Regression(our_ece, their_ece, our_ece - their_ece, float(np.quantile(our_eces - their_eces, ONE_SIDED))),
    )


def _slopes(
    y: Floats, game: NDArray[np.intp], probability: NDArray[np.floating], draws: NDArray[np.int64]
) -> tuple[float, Floats]:
    """Calibration slope, and that of each draw (draws,); NaN for predictions that don't vary.

    The slope is the solution of a logistic regression. A game moves it by its score times the inverse Hessian, so the
    draws need no fits of their own.
    """
    intercept, slope = recalibration(y, probability)
    if np.isnan(slope):
        return float(slope), np.full(len(draws), np.nan)
    design = np.column_stack([np.ones(len(y)), logit(probability)])
    expected = sigmoid(design @ np.array([intercept, slope]))
    hessian = (design * (expected * (1 - expected))[:, None]).T @ design
    moves = np.bincount(game, weights=design @ np.linalg.inv(hessian)[1] * (y - expected))
    return float(slope), slope + draws @ moves


def _eces(
    y: Floats,
    game: NDArray[np.intp],
    probability: NDArray[np.floating],
    draws: NDArray[np.int64],
    shots: NDArray[np.intp],
) -> tuple[float, Floats]:
    """Expected calibration error, and that of each draw (draws,); the bins are those of `scoring.ece`."""
    bins = np.empty(len(y), dtype=np.intp)
    for number, part in enumerate(np.array_split(np.argsort(probability, kind="stable"), BINS)):
        bins[part] = number
    misses = np.bincount(game * BINS + bins, weights=y - probability, minlength=len(shots) * BINS)
    by_game = misses.reshape(-1, BINS)  # makes beyond the expected ones
    return float(np.abs(by_game.sum(axis=0)).sum() / len(y)), np.abs(draws @ by_game).sum(axis=1) / (draws @ shots)
