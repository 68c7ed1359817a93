"""The original's model as its servers load it: a random forest on seven inputs, saved as an MLflow model."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd
import pyarrow as pa

from benchmarks import original

NAMES = (
    "Player_ID",
    "X_Location",
    "Y_Location",
    "Total_Seconds_Remaining",
    "Shot_Type_Encoded",
    "Shot_Distance_Meters",
    "Shot_Zone_Combined",
)
WHOLE = {"Player_ID": "int64", "Shot_Type_Encoded": "int64", "Shot_Zone_Combined": "int64"}
TREES, DEPTH, MIN_SPLIT = 75, 9, 4
"""The middle of the recipe's ranges, but the largest depth, which its rule prefers; the cost of a row depends on it."""


def frame(shots: pa.Table) -> pd.DataFrame:
    """The seven inputs with the names of the original's requests, from rows of the lake."""
    return pd.DataFrame(original.inputs(shots), columns=NAMES).astype(WHOLE)


def keep(shots: pa.Table, folder: Path) -> Path:
    """Fit a forest on as many shots as the original did and save it as an MLflow model; returns the model's folder.

    It has no signature, as `log_model` saved it by default; so its servers don't validate each request.
    """
    import mlflow.sklearn  # noqa: PLC0415 - heavy imports
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415

    logging.getLogger("mlflow.sklearn").setLevel(logging.ERROR)  # it warns about pickles, which the original used
    model = RandomForestClassifier(n_estimators=TREES, max_depth=DEPTH, min_samples_split=MIN_SPLIT, random_state=1)
    rows = shots.slice(0, original.ROWS)
    model.fit(frame(rows), rows["made"].to_numpy())
    path = folder / "forest"
    mlflow.sklearn.save_model(
        model, path, pip_requirements=["scikit-learn", "pandas"], serialization_format="cloudpickle"
    )
    return path
