"""Loading the training data: the newest parts of the warehouse as arrays."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from parivision_assets.steps.features.folding import KEPT, OFFSET, current_state, matrix_of
from parivision_assets.steps.training.fitting import TrainingRows
from parivision_assets.steps.training.windowing import REACH
from parivision_core.problems import NotEnoughGamesError
from parivision_core.sport import Sport
from parivision_core.store.base import Store


def window_of(store: Store) -> list[str]:
    """The newest parts of the warehouse, from which training windows are chosen."""
    return list(store.warehouse_parts())[-REACH:]


def load_rows(store: Store, sport: Sport) -> tuple[pa.Table, TrainingRows]:
    """The rows of these parts in order of time: their identifying columns, and the models' inputs and outcomes.

    Raises NotEnoughGamesError for an empty warehouse, StoreError for one that another version of the code folded.
    """
    current_state(store, sport)
    table = store.warehouse([*KEPT, OFFSET, *sport.feature_names], window_of(store))
    if not table.num_rows:
        raise NotEnoughGamesError("the warehouse is empty; ingest a batch first")
    return table.select(KEPT), TrainingRows(*matrix_of(table, sport), table["made"].to_numpy())


def parts_of(game_date: NDArray[np.str_], sport: Sport) -> NDArray[np.str_]:
    """Part of the warehouse (n,) to which each ISO date (n,) belongs."""
    days, day = np.unique(np.asarray(game_date, dtype=str), return_inverse=True)
    return np.array([sport.part_of(str(d)) for d in days])[day]
