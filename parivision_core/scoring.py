"""Scores of predicted probabilities, the same for verdicts, drift reports and the page."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from parivision_core.arrays import Floats

_EPS = 1e-15


class Bin(msgspec.Struct, frozen=True):
    """One row of a reliability table."""

    predicted: float
    observed: float
    count: int


class Scores(msgspec.Struct, frozen=True):
    """Scores of one set of predictions; lower is better but for `auc` and `accuracy`; `slope` is best at 1."""

    rows: int
    log_loss: float
    brier: float
    auc: float
    accuracy: float
    ece: float
    slope: float


def losses(made: NDArray[np.generic], probability: NDArray[np.floating]) -> Floats:
    """Log loss of each shot in nats; `made` is 0 or 1, `probability` lies in [0, 1]."""
    p = np.clip(np.asarray(probability, dtype=np.float64), _EPS, 1 - _EPS)
    return -np.where(np.asarray(made) == 1, np.log(p), np.log1p(-p))


def logit(probability: NDArray[np.floating] | float) -> Floats:
    """Log odds, clipped away from the infinities."""
    p = np.clip(np.asarray(probability, dtype=np.float64), _EPS, 1 - _EPS)
    return np.log(p) - np.log1p(-p)


def sigmoid(value: NDArray[np.floating] | float) -> Floats:
    """Inverse of `logit`."""
    return 1.0 / (1.0 + np.exp(-np.asarray(value, dtype=np.float64)))


def auc(made: NDArray[np.generic], probability: NDArray[np.floating]) -> float:
    """Area under the ROC curve as the Mann-Whitney statistic with mid-ranks for ties; NaN for one class."""
    y = np.asarray(made) == 1
    positives, negatives = int(y.sum()), int((~y).sum())
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(probability, return_inverse=True, return_counts=True)
    mid_ranks = np.cumsum(counts) - (counts - 1) / 2
    return float((mid_ranks[inverse][y].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def reliability(made: NDArray[np.generic], probability: NDArray[np.floating], bins: int = 10) -> list[Bin]:
    """Reliability table over bins that hold equally many shots, ordered by predicted probability."""
    order = np.argsort(probability, kind="stable")
    y, p = np.asarray(made, dtype=np.float64)[order], np.asarray(probability, dtype=np.float64)[order]
    parts = zip(np.array_split(p, bins), np.array_split(y, bins), strict=True)
    return [Bin(float(ps.mean()), float(ys.mean()), len(ps)) for ps, ys in parts if len(ps)]


def ece(made: NDArray[np.generic], probability: NDArray[np.floating], bins: int = 15) -> float:
    """Expected calibration error over bins of equal count (Nguyen and O'Connor, 2015)."""
    table = reliability(made, probability, bins)
    total = sum(row.count for row in table)
    return sum(row.count * abs(row.predicted - row.observed) for row in table) / total if total else float("nan")


def slope(made: NDArray[np.generic], probability: NDArray[np.floating]) -> float:
    """Cox's calibration slope: the coefficient of logit(p) in a logistic regression of the outcome on it.

    1 is calibrated, below 1 over-confident. NaN when the predictions don't vary or only one class occurs.
    """
    return float(recalibration(made, probability)[1])


def recalibration(made: NDArray[np.generic], probability: NDArray[np.floating], steps: int = 25) -> Floats:
    """Intercept and slope (2,) of a logistic regression of the outcome on logit(p); NaN where `slope` is."""
    y, x = np.asarray(made, dtype=np.float64), logit(probability)
    if len(y) == 0 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.full(2, np.nan)
    design = np.column_stack([np.ones_like(x), x])
    beta = np.array([0.0, 1.0])
    for _ in range(steps):
        p = sigmoid(design @ beta)
        hessian = (design * (p * (1 - p))[:, None]).T @ design
        step = np.linalg.solve(hessian + 1e-12 * np.eye(2), design.T @ (y - p))
        beta += step
        if np.abs(step).max() < 1e-9:
            break
    return beta


def score(made: NDArray[np.generic], probability: NDArray[np.floating]) -> Scores:
    """All scores of one set of predictions. Raises ValueError for an empty set or lengths that differ."""
    if len(made) == 0 or len(made) != len(probability):
        raise ValueError(f"need equally many outcomes and probabilities, got {len(made)} and {len(probability)}")
    y = np.asarray(made, dtype=np.float64)
    return Scores(
        rows=len(y),
        log_loss=float(losses(y, probability).mean()),
        brier=float(np.mean((probability - y) ** 2)),
        auc=auc(y, probability),
        accuracy=float(np.mean((np.asarray(probability) >= 0.5) == (y == 1))),
        ece=ece(y, probability),
        slope=slope(y, probability),
    )
