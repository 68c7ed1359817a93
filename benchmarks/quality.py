"""How good the champion is: `python -m benchmarks.quality --train FILE... --test FILE...` prints one JSON.

The champion is trained by the pipeline's own training step on the training files and predicts through its ONNX graph.
For the shots of the test files, the feature state contains all earlier days, as in the service. It is compared with a
constant, the rates by zone, the zone x foot table that follows the league (the champion's offset), the original
system's recipe and rule, and XGBoost on the original's inputs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks import original
from benchmarks.features import peak_mb
from benchmarks.seasons import ingested
from parivision_assets.steps.clusters import intervals
from parivision_assets.steps.features.folding import OFFSET, matrix_of, update_warehouse
from parivision_assets.steps.training.fitting import XGBOOST, TrainingRows, boost, predict_boosted
from parivision_assets.steps.training.pipeline import Trained, train
from parivision_assets.steps.training.splitting import split
from parivision_core import scoring
from parivision_core.nba.shots import NBA
from parivision_core.store.base import Store

Probabilities = dict[str, np.ndarray]
LAKE = ["_id", "game_date", "game_id", "player_id", "x", "y", "seconds_remaining", "made"]
VIEWS = {
    "with_kind": "official record",
    "without_kind": "official record without kind",
    "clicked_spot": "clicked spot",
    "minimal_request": "spot and clock alone",
}
"""Result -> the kind of caller whose requests it answers."""


def say(text: str) -> None:
    """Print progress to stderr; stdout is for the result."""
    print(text, file=sys.stderr, flush=True)


def champion_of(store: Store, folder: Path) -> Trained:
    """The candidate that the pipeline would register after these shots."""
    say("folding the training files")
    update_warehouse(store, NBA, say)
    return train(store, NBA, folder, "benchmark", say)


def features_of(store: Store, shots: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Features and offset of shots, sorted by `_id`, folded after all earlier shots."""
    say("folding the test files on top")
    update_warehouse(store, NBA, say)
    warehouse = store.warehouse(["_id", OFFSET, *NBA.feature_names])
    return matrix_of(warehouse.filter(pc.is_in(warehouse["_id"], shots["_id"])).sort_by("_id"), NBA)


def simpler_models(shots: pa.Table, train_table: pa.Table, test: pa.Table, test_features: np.ndarray) -> Probabilities:
    """Predictions of simpler models for the test shots, each fitted on the training files only."""
    made = shots["made"].to_numpy()
    inputs, test_inputs = original.inputs(shots), original.inputs(test)
    train_features = matrix_of(train_table, NBA)[0]
    train_made = train_table["made"].to_numpy()
    say("fitting the original's recipe and XGBoost on its inputs")
    return {
        "constant": np.full(test.num_rows, made.mean()),
        "zone_rate": NBA.baseline(train_features, train_made, test_features),
        "original": original.champion(inputs, made).predict(test_inputs),
        "xgboost7": xgboost_on(inputs, made, shots, test_inputs),
    }


def xgboost_on(inputs: np.ndarray, made: np.ndarray, shots: pa.Table, test_inputs: np.ndarray) -> np.ndarray:
    """XGBoost with the champion's defaults on the original's inputs, without offset or feature state.

    Boosting stops by the loss on later games of the training files.
    """
    periods = split(shots["game_date"].to_numpy(), shots["game_id"].to_numpy())
    features = inputs[:, 1:].astype(np.float32)  # without the player id, which is no quantity
    rows = TrainingRows(features, np.zeros(len(made), np.float32), made)
    booster = boost(XGBOOST, rows.take(periods.train), rows.take(periods.validation), 1000, 40)
    return np.asarray(
        predict_boosted(booster, test_inputs[:, 1:].astype(np.float32), np.zeros(len(test_inputs), np.float32))
    )


def scored(made: np.ndarray, game: np.ndarray, found: Probabilities) -> dict[str, dict[str, Any]]:
    """Scores of each model, with intervals, clustered by game, of its log loss and its gain over zone x foot."""
    base = scoring.losses(made, found["zone_foot"])
    results = {}
    for name, probability in found.items():
        losses = scoring.losses(made, probability)
        interval = intervals({"log_loss": losses, "gain": base - losses}, game)
        scores = msgspec.structs.asdict(scoring.score(made, probability))
        rows = scores.pop("rows")
        results[name] = {
            **{metric: round(value, 5) for metric, value in scores.items()},
            "log_loss_interval": [round(end, 5) for end in interval["log_loss"]],
            "gain_over_zone_foot": round(float((base - losses).mean()), 5),
            "gain_over_zone_foot_interval": [round(end, 5) for end in interval["gain"]],
            "rows": rows,
        }
    return results


def main() -> None:
    """Train, predict and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", nargs="+", type=Path, required=True, help="season files to train on")
    parser.add_argument("--test", nargs="+", type=Path, required=True, help="later season files")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store, manifests = ingested(chosen.train, Path(folder) / "home")
        shots = store.lake(LAKE).sort_by("_id")
        trained = champion_of(store, Path(folder) / "bundle")
        train_table = store.warehouse(["made", OFFSET, *NBA.feature_names])
        _, all_manifests = ingested([*chosen.train, *chosen.test], Path(folder) / "home")
        tested = [m.batch_id for m in all_manifests[len(manifests) :]]
        test = pa.concat_tables([store.lake(LAKE, batch=batch) for batch in tested]).sort_by("_id")
        first, last = str(np.min(test["game_date"].to_numpy())), str(np.max(shots["game_date"].to_numpy()))
        if first <= last:
            parser.error(f"the test files begin on {first}, but the training files reach to {last}: test on later ones")
        features, offset = features_of(store, test)
        found = simpler_models(shots, train_table, test, features)
        found["zone_foot"] = scoring.sigmoid(offset)
        for name, caller in VIEWS.items():
            found[name] = trained.bundle.predict(NBA.masked_as(caller, features), offset).astype(np.float64)
        results = scored(test["made"].to_numpy(), test["game_id"].to_numpy(), found)
    report = {
        "results": results,
        "rows": {"train": shots.num_rows, "test": test.num_rows},
        "train": [file.name for file in chosen.train],
        "test": [file.name for file in chosen.test],
        "champion": {"model": trained.fitted.name, **trained.window, "defects": trained.defects},
        "cpu_seconds": round(time.process_time(), 1),
        "peak_mb": peak_mb(),
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
