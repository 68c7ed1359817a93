"""Choosing among models: all are fitted on the same rows and compared on later games."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from parivision_assets.steps.training.fitting import (
    SEED,
    Fitted,
    TrainingRows,
    fit_forest,
    fit_logistic,
    fit_xgboost,
    masked,
)
from parivision_core import scoring
from parivision_core.problems import PariVisionError
from parivision_core.sport import Sport


def fit_all(
    train: TrainingRows,
    validation: TrainingRows,
    sport: Sport,
    tuned: Mapping[str, float] = {},
) -> tuple[list[tuple[Fitted, scoring.Scores]], dict[str, str]]:
    """Each model with its scores on the validation games, best log loss first, and why others were left out, by name.

    Inputs are masked in both periods. `tuned` are parameters of XGBoost that replace its defaults.
    Raises PariVisionError when the rows hold one outcome only, values that aren't finite, or no model can be fitted.
    """
    check(train, validation)
    masked_train, masked_validation = masked(train, sport), masked(validation, sport, SEED + 1)
    fitters: dict[str, Callable[[], Fitted]] = {
        "logistic": lambda: fit_logistic(masked_train, masked_validation, sport),
        "forest": lambda: fit_forest(masked_train, masked_validation, sport),
        "xgboost": lambda: fit_xgboost(masked_train, masked_validation, sport, tuned),
    }
    scored, left_out = [], {}
    for name, fit in fitters.items():
        try:
            fitted = fit()
            predicted = fitted.predict(masked_validation.features, masked_validation.offset)
            if not np.isfinite(predicted).all():
                raise PariVisionError("its predictions aren't finite")
            scored.append((fitted, scoring.score(validation.made, predicted)))
        except (PariVisionError, ValueError, ArithmeticError) as error:
            left_out[name] = str(error)
    if not scored:
        raise PariVisionError("no model could be fitted; " + "; ".join(f"{n}: {why}" for n, why in left_out.items()))
    return sorted(scored, key=lambda pair: pair[1].log_loss), left_out


def check(train: TrainingRows, validation: TrainingRows) -> None:
    """Raise PariVisionError when the rows can't be fitted: one outcome only, or values that aren't finite."""
    if len(np.unique(train.made)) < 2 or len(np.unique(validation.made)) < 2:
        raise PariVisionError(
            "training and validation games need both makes and misses; check the outcomes in the lake"
        )
    for rows in (train, validation):
        if not (np.isfinite(rows.features).all() and np.isfinite(rows.offset).all()):
            raise PariVisionError("the training features hold values that aren't finite; rebuild the warehouse")
