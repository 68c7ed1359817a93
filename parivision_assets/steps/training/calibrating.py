"""A calibrator on top of a model, used only if it improves validation games that it wasn't fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parivision_assets.steps.clusters import mean_and_error
from parivision_core.scoring import losses, sigmoid

Floats = NDArray[np.float64]

CLIP = 1e-6
"""Distance that probabilities keep from 0 and 1, in the trainer and in the graph alike."""
FAMILIES = ("platt", "beta")
SEED = 3
NOISE = 2.0
"""Standard errors. A gain of 1.9 on the games of spring 2021 took the slope on season 2023 from 1.00 to 0.93."""


@dataclass(frozen=True)
class Calibrator:
    """New log odds `made_weight * ln p - missed_weight * ln (1 - p) + shift`; with equal weights Platt's, else beta."""

    family: str
    made_weight: float
    missed_weight: float
    shift: float

    def __call__(self, probability: NDArray[np.floating]) -> Floats:
        """Calibrated probabilities (n,) from the model's own (n,)."""
        made, missed = _log_odds_parts(probability).T
        return sigmoid(self.made_weight * made + self.missed_weight * missed + self.shift)


@dataclass(frozen=True)
class Trial:
    """What a family of calibrators gained on games that it wasn't fitted on, in log loss a shot."""

    family: str
    gain: float
    error: float
    """Standard error of the gain, by game."""

    @property
    def wins(self) -> bool:
        """Whether the gain is more than noise."""
        return self.gain > NOISE * self.error

    def __str__(self) -> str:
        used = "used" if self.wins else "not used"
        change = f"{'lower' if self.gain > 0 else 'raise'} log loss by {abs(self.gain):.5f} a shot"
        return f"calibrator {self.family}: would {change} (standard error {self.error:.5f}): {used}"


def calibrate(
    made: NDArray[np.generic], probability: NDArray[np.floating], game: NDArray[np.generic]
) -> tuple[Calibrator | None, list[Trial]]:
    """The best calibrator that wins, fitted on all rows (n,), or None; and what each family gained.

    Gains are cross-validated: each random half of the games is calibrated by a fit on the other half.
    """
    games, index = np.unique(game, return_inverse=True)
    first = (np.random.default_rng(SEED).permutation(len(games)) < len(games) / 2)[index]
    halves = (first, ~first)
    if any(len(np.unique(np.asarray(made)[half])) < 2 for half in halves):
        return None, []
    before = losses(made, probability)
    trials = []
    for family in FAMILIES:
        after = np.empty(len(before))
        for fitted, tested in (halves, halves[::-1]):
            calibrator = _fit(family, np.asarray(made)[fitted], probability[fitted])
            after[tested] = losses(np.asarray(made)[tested], calibrator(probability[tested]))
        trials.append(Trial(family, *mean_and_error(before - after, game)))
    best = max(trials, key=lambda trial: trial.gain)
    if not best.wins:
        return None, trials
    calibrator = _fit(best.family, made, probability)
    # A calibrator that reverses the order of some shots has learned noise.
    return (calibrator if min(calibrator.made_weight, calibrator.missed_weight) > 0 else None), trials


def _log_odds_parts(probability: NDArray[np.floating]) -> Floats:
    """Columns ln p and -ln (1 - p), whose sum is the log odds, (n, 2)."""
    p = np.clip(np.asarray(probability, dtype=np.float64), CLIP, 1 - CLIP)
    return np.column_stack([np.log(p), -np.log1p(-p)])


def _fit(family: str, made: NDArray[np.generic], probability: NDArray[np.floating]) -> Calibrator:
    from sklearn.linear_model import LogisticRegression

    parts = _log_odds_parts(probability)
    design = parts.sum(axis=1, keepdims=True) if family == "platt" else parts
    # The penalty is negligible, but keeps the solution finite.
    model = LogisticRegression(C=1e6).fit(design, made)
    weights = np.broadcast_to(model.coef_[0], 2)
    return Calibrator(family, float(weights[0]), float(weights[1]), float(model.intercept_[0]))
