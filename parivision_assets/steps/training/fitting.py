"""Fitting candidate models on features and an offset, with optional inputs masked at random as in real requests."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parivision_assets.steps.training.calibrating import Calibrator
from parivision_core.arrays import Float32s
from parivision_core.problems import PariVisionError
from parivision_core.sport import Sport

# Read when XGBoost and scikit-learn are loaded. By default threads spin while they wait for each other, which on shared
# cores costs half as much again as the work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

SEED = 20260
XGBOOST: dict[str, Any] = {
    "objective": "binary:logistic",
    "eval_metric": "logloss",
    "base_score": 0.5,
    "tree_method": "hist",
    "eta": 0.05,
    "max_depth": 6,
    "min_child_weight": 50,
    "subsample": 0.8,
    "colsample_bytree": 0.6,
    "seed": SEED,
    "nthread": 0,  # all cores, whatever OMP_NUM_THREADS says
}
MAX_ROUNDS = 1000
PATIENCE = 40
LOGISTIC: dict[str, Any] = {"C": 1.0, "max_iter": 500}
FOREST: dict[str, Any] = {
    "n_estimators": 30,
    "max_samples": 40_000,
    "max_features": 0.33,
    "max_depth": 10,
    "min_samples_leaf": 100,
    "random_state": SEED,
}
"""`max_samples` bounds the cost of a tree on any number of shots; together the trees see most of them."""


@dataclass(frozen=True)
class TrainingRows:
    """Model inputs and outcomes: features (n, k), offset (n,) in log odds, made (n,) 0 or 1."""

    features: Float32s
    offset: Float32s
    made: NDArray[np.int8]

    def take(self, rows: NDArray[Any]) -> TrainingRows:
        """The rows chosen by a mask or index."""
        return TrainingRows(self.features[rows], self.offset[rows], self.made[rows])

    def __len__(self) -> int:
        return len(self.made)


@dataclass(frozen=True)
class Fitted:
    """A fitted model with its trainer's own predictions, before it is converted for serving."""

    name: str
    estimator: Any
    predict: Callable[[Float32s, Float32s], NDArray[np.float64]]
    """The trainer's probabilities (n,) from features (n, k) and offset (n,)."""
    parameters: dict[str, Any]
    importance: dict[str, float] = field(default_factory=dict)
    """Share of the model's total gain (or absolute weight on standardised inputs) by feature."""
    calibrator: Calibrator | None = None
    """The last step of `predict`."""

    def calibrated(self, calibrator: Calibrator) -> Fitted:
        """The same model with a calibrator as its last step."""
        uncalibrated = self.predict
        return replace(self, calibrator=calibrator, predict=lambda f, o: calibrator(uncalibrated(f, o)))


def masked(rows: TrainingRows, sport: Sport, seed: int = SEED) -> TrainingRows:
    """The rows with optional inputs masked at random, as often as the sport's request profiles leave them out."""
    missing = sport.left_out(len(rows), np.random.default_rng(seed))
    return TrainingRows(sport.mask(rows.features, missing), rows.offset, rows.made)


def fit_xgboost(train: TrainingRows, validation: TrainingRows, sport: Sport, tuned: Mapping[str, float] = {}) -> Fitted:
    """Gradient-boosted trees on top of the offset, stopped early by the validation games.

    `tuned` are parameters that replace the defaults.
    """
    parameters = {**XGBOOST, **tuned}
    best = boost(parameters, train, validation, MAX_ROUNDS, PATIENCE)
    gains = best.get_score(importance_type="total_gain")
    return Fitted(
        name="xgboost",
        estimator=best,
        predict=lambda features, offset: predict_boosted(best, features, offset),
        parameters={**parameters, "rounds": best.num_boosted_rounds()},
        importance=_shares({sport.feature_names[int(name[1:])]: float(gain) for name, gain in gains.items()}),
    )


def boost(
    parameters: Mapping[str, Any],
    train: TrainingRows,
    validation: TrainingRows,
    max_rounds: int,
    patience: int,
    callbacks: Sequence[Any] = (),
) -> Any:
    """A booster fitted on all cores, cut to the round that is best on the validation rows."""
    import xgboost as xgb

    booster = xgb.train(
        dict(parameters),
        xgb.QuantileDMatrix(train.features, label=train.made, base_margin=train.offset),
        num_boost_round=max_rounds,
        evals=[(_matrix(validation.features, validation.offset, validation.made), "validation")],
        early_stopping_rounds=patience,
        verbose_eval=False,
        callbacks=list(callbacks),
    )
    return booster[: booster.best_iteration + 1]


def predict_boosted(booster: Any, features: Float32s, offset: Float32s) -> NDArray[np.float64]:
    """Probabilities (n,) of a booster on top of the offset (n,)."""
    return np.asarray(booster.predict(_matrix(features, offset)), dtype=np.float64)


def fit_logistic(train: TrainingRows, validation: TrainingRows, sport: Sport) -> Fitted:
    """Logistic regression on standardised features and offset; `validation` isn't needed to stop it.

    Raises PariVisionError when it doesn't converge.
    """
    del validation
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pipeline = make_pipeline(StandardScaler(), LogisticRegression(**LOGISTIC))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            pipeline.fit(_stack(train.features, train.offset), train.made)
        except ConvergenceWarning as warning:
            raise PariVisionError(f"it didn't converge within {LOGISTIC['max_iter']} steps") from warning
    weights = np.abs(pipeline[-1].coef_[0])
    return Fitted(
        name="logistic",
        estimator=pipeline,
        predict=lambda features, offset: pipeline.predict_proba(_stack(features, offset))[:, 1],
        parameters=LOGISTIC,
        importance=_shares(dict(zip([*sport.feature_names, "offset"], weights.tolist(), strict=True))),
    )


def fit_forest(train: TrainingRows, validation: TrainingRows, sport: Sport) -> Fitted:
    """Random forest on features and offset, each tree on a bounded sample; `validation` isn't needed to stop it."""
    del validation
    from sklearn.ensemble import RandomForestClassifier

    parameters = {**FOREST, "max_samples": min(FOREST["max_samples"], len(train))}
    forest = RandomForestClassifier(**parameters, n_jobs=-1)
    forest.fit(_stack(train.features, train.offset), train.made)
    return Fitted(
        name="forest",
        estimator=forest,
        predict=lambda features, offset: forest.predict_proba(_stack(features, offset))[:, 1],
        parameters=parameters,
        importance=_shares(
            dict(zip([*sport.feature_names, "offset"], forest.feature_importances_.tolist(), strict=True))
        ),
    )


def _stack(features: Float32s, offset: Float32s) -> Float32s:
    """Features and offset as the last column, (n, k + 1)."""
    return np.column_stack([features, offset]).astype(np.float32)


def _matrix(features: Float32s, offset: Float32s, made: NDArray[Any] | None = None) -> Any:
    import xgboost as xgb

    return xgb.DMatrix(features, label=made, base_margin=offset)


def _shares(values: dict[str, float]) -> dict[str, float]:
    total = sum(values.values()) or 1.0
    return dict(sorted(((name, value / total) for name, value in values.items()), key=lambda item: -item[1]))
