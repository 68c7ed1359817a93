"""Fitting candidate models on features and an offset, with optional inputs left out at random, as callers do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parivision_core import scoring
from parivision_core.problems import PariVisionError
from parivision_core.sport import Features, Sport

SEED = 20260
XGBOOST: dict[str, Any] = {
    "objective": "binary:logistic",
    "eval_metric": "logloss",
    "base_score": 0.5,
    "tree_method": "hist",
    "eta": 0.08,
    "max_depth": 6,
    "min_child_weight": 50,
    "subsample": 0.8,
    "colsample_bytree": 0.6,
    "seed": SEED,
}
MAX_ROUNDS = 600
PATIENCE = 40
LOGISTIC: dict[str, Any] = {"C": 1.0, "max_iter": 500}


@dataclass(frozen=True)
class Rows:
    """Model inputs and outcomes: features (n, k), offset (n,) in log odds, made (n,) 0 or 1."""

    features: Features
    offset: Features
    made: NDArray[np.int8]

    def take(self, rows: NDArray[Any]) -> Rows:
        """The rows chosen by a mask or index."""
        return Rows(self.features[rows], self.offset[rows], self.made[rows])

    def __len__(self) -> int:
        return len(self.made)


@dataclass(frozen=True)
class Fitted:
    """A fitted model with its trainer's own predictions, before it is converted for serving."""

    name: str
    estimator: Any
    predict: Callable[[Features, Features], NDArray[np.float64]]
    """The trainer's probabilities (n,) from features (n, k) and offset (n,)."""
    parameters: dict[str, Any]
    importance: dict[str, float] = field(default_factory=dict)
    """Share of the model's total gain (or absolute weight on standardised inputs) by feature."""


def masked(rows: Rows, sport: Sport, seed: int = SEED) -> Rows:
    """Leave each optional input out on its share of the rows, at random and independently."""
    rng = np.random.default_rng(seed)
    missing = {name: rng.random(len(rows)) < rate for name, rate in sport.mask_rates.items()}
    return Rows(sport.mask(rows.features, missing), rows.offset, rows.made)


def fit_xgboost(train: Rows, validation: Rows, sport: Sport) -> Fitted:
    """Gradient-boosted trees on top of the offset, stopped when later games stop improving."""
    import xgboost as xgb

    def matrix(features: Features, offset: Features, made: NDArray[Any] | None = None) -> Any:
        return xgb.DMatrix(features, label=made, base_margin=offset)

    booster = xgb.train(
        XGBOOST,
        matrix(train.features, train.offset, train.made),
        num_boost_round=MAX_ROUNDS,
        evals=[(matrix(validation.features, validation.offset, validation.made), "validation")],
        early_stopping_rounds=PATIENCE,
        verbose_eval=False,
    )
    best = booster[: booster.best_iteration + 1]
    gains = best.get_score(importance_type="total_gain")
    return Fitted(
        name="xgboost",
        estimator=best,
        predict=lambda features, offset: best.predict(matrix(features, offset)).astype(np.float64),
        parameters={**XGBOOST, "rounds": booster.best_iteration + 1},
        importance=_shares({sport.feature_names[int(name[1:])]: float(gain) for name, gain in gains.items()}),
    )


def fit_logistic(train: Rows, validation: Rows, sport: Sport) -> Fitted:
    """Logistic regression on standardised features and offset; `validation` isn't needed to stop it."""
    del validation
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def stack(features: Features, offset: Features) -> Features:
        return np.column_stack([features, offset]).astype(np.float32)

    pipeline = make_pipeline(StandardScaler(), LogisticRegression(**LOGISTIC))
    pipeline.fit(stack(train.features, train.offset), train.made)
    weights = np.abs(pipeline[-1].coef_[0])
    return Fitted(
        name="logistic",
        estimator=pipeline,
        predict=lambda features, offset: pipeline.predict_proba(stack(features, offset))[:, 1],
        parameters=LOGISTIC,
        importance=_shares(dict(zip([*sport.feature_names, "offset"], weights.tolist(), strict=True))),
    )


FITTERS: tuple[Callable[[Rows, Rows, Sport], Fitted], ...] = (fit_logistic, fit_xgboost)


def fit_all(train: Rows, validation: Rows, sport: Sport) -> list[tuple[Fitted, scoring.Scores]]:
    """Each model with its scores on the validation games, best log loss first; inputs are masked in both periods.

    Raises PariVisionError when the training rows hold one outcome only, or values that aren't finite.
    """
    if len(np.unique(train.made)) < 2 or len(np.unique(validation.made)) < 2:
        raise PariVisionError(
            "training and validation games need both makes and misses; check the outcomes in the lake"
        )
    if not (np.isfinite(train.features).all() and np.isfinite(train.offset).all()):
        raise PariVisionError("the training features hold values that aren't finite; rebuild the warehouse")
    masked_train, masked_validation = masked(train, sport), masked(validation, sport, SEED + 1)
    fitted = [fit(masked_train, masked_validation, sport) for fit in FITTERS]
    scored = [
        (f, scoring.score(validation.made, f.predict(masked_validation.features, masked_validation.offset)))
        for f in fitted
    ]
    return sorted(scored, key=lambda pair: pair[1].log_loss)


def _shares(values: dict[str, float]) -> dict[str, float]:
    total = sum(values.values()) or 1.0
    return dict(sorted(((name, value / total) for name, value in values.items()), key=lambda item: -item[1]))
