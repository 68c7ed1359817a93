"""Pairs of models for the gate's benchmark: under known true probabilities one is equal, or better by a given gain.

Fitted models differ from each other as real models do. The true probabilities are chosen between them, in log odds, and
the models are calibrated to these, as fitted models are to reality. A model is then moved along its deviation from the
truth until it has the wanted expected loss.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow as pa

from benchmarks import original
from benchmarks.seasons import ingested
from parivision_assets.steps.features.folding import KEPT, OFFSET, matrix_of, update_warehouse
from parivision_assets.steps.training import fitting
from parivision_assets.steps.training.fitting import TrainingRows, masked
from parivision_core.arrays import Floats
from parivision_core.nba.shots import NBA
from parivision_core.scoring import logit, losses, recalibration, sigmoid

VALIDATION = 0.1
"""Share of the training rows by which boosting is stopped."""
SINGLE_SEASON_SHARE = 0.5
"""Share of the rows to train on when all are from one season."""


@dataclass(frozen=True)
class Shots:
    """Real shots: for fitting, for stopping, and those of the newest season, with their games."""

    train: TrainingRows
    validation: TrainingRows
    test: TrainingRows
    game: np.ndarray
    """Number of each test shot's game, from 0; the shots of a game are consecutive."""
    recorded: original.Inputs
    """The original's inputs for each test shot (n, 7)."""

    @property
    def games(self) -> int:
        """Games to draw from."""
        return int(self.game.max()) + 1


def shots_of(files: list[Path]) -> Shots:
    """Fold season files as the platform does; the test shots are the newest season, or half of a single season."""
    with tempfile.TemporaryDirectory() as folder:
        store, _ = ingested(files, Path(folder))
        update_warehouse(store, NBA)
        *older, newest = store.warehouse_parts()
        columns = [*KEPT, OFFSET, *NBA.feature_names]
        test = store.warehouse(columns, [newest])
        train = store.warehouse(columns, older) if older else test.slice(0, int(SINGLE_SEASON_SHARE * test.num_rows))
        test = (test if older else test.slice(train.num_rows)).sort_by([("game_id", "ascending"), ("_id", "ascending")])
        lake = store.lake(["_id", *original.FIELDS], *NBA.part_bounds(newest))
    rows = _rows(train)
    stop = int((1 - VALIDATION) * len(rows))
    return Shots(
        train=rows.take(np.s_[:stop]),
        validation=rows.take(np.s_[stop:]),
        test=_rows(test),
        game=np.unique(test["game_id"].to_numpy(), return_inverse=True)[1],
        recorded=_recorded(test["_id"], lake),
    )


def _rows(table: pa.Table) -> TrainingRows:
    return TrainingRows(*matrix_of(table, NBA), table["made"].to_numpy())


def _recorded(ids: pa.ChunkedArray, lake: pa.Table) -> original.Inputs:
    """The original's inputs of the shots with these ids."""
    return original.inputs(lake.take(pa.compute.index_in(ids, lake["_id"])))


def refit(shots: Shots, seed: int, columns: slice = np.s_[:]) -> Floats:
    """Probabilities (n,) for the test shots from the platform's own recipe, fitted with a seed.

    With `columns` only these features are used; the others are 0 everywhere.
    """

    def only(rows: TrainingRows) -> TrainingRows:
        kept = np.zeros_like(rows.features)
        kept[:, columns] = rows.features[:, columns]
        return TrainingRows(kept, rows.offset, rows.made)

    with patch.dict(fitting.XGBOOST, seed=seed):
        fitted = fitting.fit_xgboost(
            only(masked(shots.train, NBA, seed)), only(masked(shots.validation, NBA, seed + 1)), NBA
        )
    test = only(shots.test)
    return fitted.predict(test.features, test.offset)


def truth_between(models: list[Floats]) -> tuple[Floats, list[Floats]]:
    """The mean of the models in log odds as true probabilities, and the models calibrated to it."""
    truth = sigmoid(np.mean([logit(model) for model in models], axis=0))
    lines = [recalibration(truth, model) for model in models]
    return truth, [
        sigmoid(intercept + slope * logit(model)) for (intercept, slope), model in zip(lines, models, strict=True)
    ]


def expected_loss(truth: Floats, model: Floats) -> float:
    """Expected log loss of a model when outcomes follow the true probabilities."""
    makes, misses = losses(np.ones(len(truth)), model), losses(np.zeros(len(truth)), model)
    return float(np.mean(truth * makes + (1 - truth) * misses))


def stretched(truth: Floats, model: Floats, loss: float) -> Floats:
    """The model moved along its deviation from the truth, in log odds, until its expected loss is `loss`.

    Raises ValueError for a loss below that of the true probabilities.
    """
    if loss < expected_loss(truth, truth):
        raise ValueError(f"no model can have an expected loss of {loss:.5f}: the true probabilities have a higher one")
    start, deviation = logit(truth), logit(model) - logit(truth)
    low, high = 0.0, 1.0
    while expected_loss(truth, sigmoid(start + high * deviation)) < loss:
        high *= 2
    for _ in range(50):
        middle = (low + high) / 2
        short = expected_loss(truth, sigmoid(start + middle * deviation)) < loss
        low, high = (middle, high) if short else (low, middle)
    return sigmoid(start + high * deviation)


@dataclass(frozen=True)
class Forests:
    """Models of the original's recipe: their training scores, and their expected loss under the truth."""

    score: np.ndarray
    loss: np.ndarray


def forests(shots: Shots, truth: Floats, count: int, rng: np.random.Generator) -> Forests:
    """Fit `count` models by the original's recipe, each on other 1,000 shots with outcomes from the true ones."""
    judged = rng.choice(len(truth), min(5_000, len(truth)), replace=False)
    found = []
    for seed in range(count):
        first = int(rng.integers(len(truth) - original.ROWS))
        rows = slice(first, first + original.ROWS)
        made = rng.random(original.ROWS) < truth[rows]
        trained = original.train(shots.recorded[rows], made, seed)
        loss = expected_loss(truth[judged], trained.predict(shots.recorded[judged]))
        found.append((trained.training_score, loss))
    return Forests(*np.array(found).T)
