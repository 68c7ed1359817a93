"""Whether the registry has lost its models, as with an emptied database; asked at every tick, so without MLflow."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import lru_cache
from pathlib import Path

from parivision_core.problems import RegistryError
from parivision_core.tracking.http import MlflowHttp

SQLITE = "sqlite:///"
TIMEOUT_SECONDS = 2.0
"""For an answer: a server that hangs must not hold up the sensor that asks."""


def has_lost_models(tracking_uri: str, model: str) -> bool:
    """Whether the registry answers and holds no version of the model; False when it can't be asked."""
    if tracking_uri.startswith("http"):
        try:
            found = _server(tracking_uri).get(
                "/api/2.0/mlflow/model-versions/search", filter=f"name='{model}'", max_results=1
            )
        except RegistryError:
            return False
        return not (found or {}).get("model_versions")
    if not tracking_uri.startswith(SQLITE):
        return False
    file = Path(tracking_uri.removeprefix(SQLITE))
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as db:
            return db.execute("SELECT 1 FROM model_versions WHERE name = ? LIMIT 1", (model,)).fetchone() is None
    except sqlite3.Error:
        return not file.exists()


@lru_cache
def _server(url: str) -> MlflowHttp:
    return MlflowHttp(url, TIMEOUT_SECONDS)
