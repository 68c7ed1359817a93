"""The columns of a drift report: a shot's inputs, its outcome, the champion's prediction and its quality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from parivision_core.arrays import Columns, Float32s
from parivision_core.scoring import losses
from parivision_core.sport import Monitored, Sport

Floats = NDArray[np.float64]
Method = Literal["wasserstein", "jensenshannon", "mean_shift"]

MADE, PROBABILITY, EXCESS = "made", "probability", "excess_log_loss"
METHODS: dict[str, Method] = {"number": "wasserstein", "category": "jensenshannon", "origin": "jensenshannon"}
"""Set explicitly, because by default Evidently chooses another method when the sample grows."""
MARGINS: dict[Method, float] = {"wasserstein": 0.05, "jensenshannon": 0.02, "mean_shift": 0.001}
"""On a yes or no of even odds about 3 points; in log loss the verdict's margin. For a category that the reference
doesn't have there is no noise to measure, so the margin alone decides."""
PROBABILITY_MARGIN = 0.1
"""About 1.5 points. Predictions follow the feature state, which keeps growing: up to 0.08 on simulated seasons without
drift."""


@dataclass(frozen=True)
class DriftColumn:
    """A column of the report and how two windows of it are compared.

    Distances by `wasserstein` are in standard deviations of the reference, by `jensenshannon` between 0 and 0.83 (the
    root of ln 2), by `mean_shift` in the column's own unit.
    """

    name: str
    method: Method
    margin: float
    """A smaller distance raises no alarm, however certain it is."""
    watched: bool = True
    judged: bool = False
    """Whether its reference is only the games that the champion wasn't fitted on; the others are predicted too well."""


def report_columns(sport: Sport) -> list[DriftColumn]:
    """What is compared, in the order of the report: quality and outcome first, then the sport's own columns."""
    return [
        DriftColumn(EXCESS, "mean_shift", MARGINS["mean_shift"], judged=True),
        DriftColumn(PROBABILITY, "wasserstein", PROBABILITY_MARGIN),
        DriftColumn(MADE, "jensenshannon", MARGINS["jensenshannon"]),
        *(DriftColumn(m.name, METHODS[m.reading], MARGINS[METHODS[m.reading]], m.watched) for m in sport.monitored),
    ]


def read_columns(
    features: Float32s, made: NDArray[Any], probability: Floats, unfitted: NDArray[np.bool_], sport: Sport
) -> Columns:
    """Columns (n,) of shots with features (n, k), outcome (n,) and the champion's probability (n,).

    Numbers are float64, categories are text. Judged columns are NaN except for the rows marked `unfitted`, (n,).
    """
    names = [*sport.feature_names]
    at = {m.name: [names.index(feature) for feature in m.features] for m in sport.monitored}
    return {
        EXCESS: np.where(unfitted, excess_log_loss(made, probability), np.nan),
        PROBABILITY: probability,
        MADE: _yes_or_no(made == 1),
        **{m.name: _read(m, features[:, at[m.name]]) for m in sport.monitored},
    }


def expected_log_loss(probability: Floats) -> Floats:
    """Log loss of each shot if makes really were as likely as predicted: the entropy of the prediction, in nats."""
    made, missed = np.ones(len(probability)), np.zeros(len(probability))
    return probability * losses(made, probability) + (1 - probability) * losses(missed, probability)


def excess_log_loss(made: NDArray[Any], probability: Floats) -> Floats:
    """Log loss of each shot (n,) beyond the expected: 0 on average for a calibrated model, however hard the shots."""
    return losses(made, probability) - expected_log_loss(probability)


def before_and_after(column: DriftColumn, reference: NDArray[Any], newest: NDArray[Any]) -> tuple[str, str]:
    """A column's summary in the reference and now; of categories only the one whose share changed most."""
    if column.method == "jensenshannon":
        names = np.unique(np.concatenate([reference, newest]))
        shares = np.array([[np.mean(values == name) for name in names] for values in (reference, newest)])
        # Of two with the same change the later one is named: yes rather than no, 3 rather than 2.
        most = len(names) - 1 - int(np.argmax(np.abs(shares[1] - shares[0])[::-1].round(9)))
        was, now = (f"{names[most]} {share:.2%}" for share in shares[:, most])
        return was, now
    reference, newest = reference[np.isfinite(reference)], newest[np.isfinite(newest)]
    if column.method == "mean_shift":
        return f"mean {reference.mean():+.4f}", f"mean {newest.mean():+.4f}"
    was, now = (f"mean {values.mean():.4g}, deviation {values.std():.3g}" for values in (reference, newest))
    return was, now


def _read(monitored: Monitored, features: Float32s) -> NDArray[Any]:
    if monitored.reading == "number":
        return features[:, 0].astype(np.float64)
    if monitored.reading == "origin":
        return _yes_or_no((features == 0).all(axis=1))
    if len(monitored.features) == 1:
        values, place = np.unique(features[:, 0], return_inverse=True)
        return np.array([f"{value:g}" for value in values])[place]
    place = np.where(features.any(axis=1), features.argmax(axis=1), len(monitored.features))
    return np.array([*monitored.features, "none"])[place]


def _yes_or_no(flags: NDArray[np.bool_]) -> NDArray[np.str_]:
    return np.where(flags, "yes", "no")
