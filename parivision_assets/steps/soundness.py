"""Is a candidate a working model at all? A defect is no matter of being better or worse; it must never be promoted."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from parivision_core.bundle import TOLERANCE, Bundle
from parivision_core.scoring import Scores
from parivision_core.sport import Sport

MAX_ECE = 0.05
SLOPE_RANGE = (0.7, 1.4)
MIN_ROWS_FOR_CALIBRATION = 2000
"""Below so many shots, noise alone can take a calibrated model out of these bounds."""


def defects(
    bundle: Bundle, sport: Sport, scores: Scores, trainer: NDArray[np.float64], served: NDArray[np.float32]
) -> list[str]:
    """Everything that makes a candidate defective, in words; empty for a sound one.

    `trainer` and `served` are the probabilities (n,) that the trainer's own model and the ONNX graph give to the same
    rows; `scores` are the served graph's on the validation games.
    """
    found = []
    wrong = [name for name in ("log_loss", "brier", "auc", "ece", "slope") if not math.isfinite(getattr(scores, name))]
    if wrong:
        found.append(f"the metrics {', '.join(wrong)} are not finite")
    if not np.isfinite(served).all() or (served < 0).any() or (served > 1).any():
        found.append("the graph answers with something else than probabilities")
    gap = float(np.max(np.abs(trainer - served), initial=0.0))
    if not gap <= TOLERANCE:
        found.append(f"the ONNX graph differs from the trainer by {gap:.2g} (allowed {TOLERANCE:g})")
    if not bundle.fits(sport.schema, sport.base_fingerprint):
        found.append("the bundle's feature schema or base table is not the pipeline's")
    if scores.rows >= MIN_ROWS_FOR_CALIBRATION:
        if scores.ece > MAX_ECE:
            found.append(f"calibration is broken: expected error {scores.ece:.3f} (allowed {MAX_ECE})")
        if not SLOPE_RANGE[0] <= scores.slope <= SLOPE_RANGE[1]:
            found.append(f"calibration is broken: slope {scores.slope:.2f} (allowed {SLOPE_RANGE[0]}-{SLOPE_RANGE[1]})")
    return found
