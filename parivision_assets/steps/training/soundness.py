"""Whether a candidate works at all. One with a defect must never be promoted, however it compares with the champion."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from parivision_assets.steps.clusters import mean_and_error
from parivision_core.bundle import TOLERANCE, Bundle
from parivision_core.scoring import Scores
from parivision_core.sport import Sport

MAX_ECE = 0.05
SLOPE_RANGE = (0.7, 1.4)
MIN_ROWS_FOR_CALIBRATION = 2000
"""With fewer shots, a calibrated model can leave these bounds by noise alone."""
LEAK_LEVEL = 0.999
"""One-sided: one in a thousand sound candidates is taken for a leak."""
WHERE_TO_LOOK = (
    "a feature may know the outcome: look for one that is made from the shot itself, from later shots or from the same "
    "shot folded twice, for a kind of shot that is recorded after the outcome, and for games that are in two periods"
)


def defects(
    bundle: Bundle, sport: Sport, scores: Scores, trainer: NDArray[np.float64], served: NDArray[np.float32]
) -> list[str]:
    """Descriptions of everything that makes a candidate defective; empty for a sound one.

    `trainer` and `served` are the probabilities (n,) that the trainer's own model and the ONNX graph give to the same
    rows; `scores` are the served graph's on the validation games.
    """
    found = []
    wrong = [name for name in ("log_loss", "brier", "auc", "ece", "slope") if not math.isfinite(getattr(scores, name))]
    if wrong:
        found.append(f"the metrics {', '.join(wrong)} are not finite")
    if not np.isfinite(served).all() or (served < 0).any() or (served > 1).any():
        found.append("the graph's outputs aren't probabilities")
    gap = float(np.max(np.abs(trainer - served), initial=0.0))
    if not gap <= TOLERANCE:
        found.append(f"the ONNX graph differs from the trainer by {gap:.2g} (allowed {TOLERANCE:g})")
    if not bundle.fits(sport.schema, sport.base_fingerprint):
        found.append("the bundle's feature schema or base table differs from the pipeline's")
    if scores.rows >= MIN_ROWS_FOR_CALIBRATION:
        if scores.ece > MAX_ECE:
            found.append(f"calibration is broken: expected error {scores.ece:.3f} (allowed {MAX_ECE})")
        if not SLOPE_RANGE[0] <= scores.slope <= SLOPE_RANGE[1]:
            found.append(f"calibration is broken: slope {scores.slope:.2f} (allowed {SLOPE_RANGE[0]}-{SLOPE_RANGE[1]})")
    return found


def leaks(
    made: NDArray[np.generic],
    probability: NDArray[np.floating],
    game: NDArray[np.generic],
    plausible_accuracy: float,
) -> list[str]:
    """Signs that features of unseen shots contain the outcome; empty when there are none.

    A model that is right more often than its own probabilities (n,) imply, or than is plausible (`plausible_accuracy`),
    by more than chance explains at LEAK_LEVEL when whole games (n,) are drawn, is too good to be true.
    """
    from scipy.stats import t  # type: ignore[import-untyped]

    p = np.asarray(probability, dtype=np.float64)
    right = ((p >= 0.5) == (np.asarray(made) == 1)).astype(np.float64)
    limit = float(t.ppf(LEAK_LEVEL, max(len(np.unique(game)) - 1, 1)))
    bounds = {
        "its own probabilities imply": np.maximum(p, 1 - p),
        "is plausible in this sport": np.full(len(p), plausible_accuracy),
    }
    found = []
    for name, bound in bounds.items():
        excess, error = mean_and_error(right - bound, game)
        if excess > limit * error:
            found.append(
                f"accuracy {right.mean():.3f} on the unseen games is above the {bound.mean():.3f} that {name} "
                f"({LEAK_LEVEL:.1%} sure): {WHERE_TO_LOOK}"
            )
    return found
