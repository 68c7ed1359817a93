"""A warehouse in memory with made-up games, and a champion without a training, for tests of drift and training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from parivision_assets.steps.features.folding import KEPT, OFFSET
from parivision_assets.steps.monitoring.drift import Drift, measure_drift
from parivision_core.arrays import Columns
from parivision_core.bundle import Bundle, Card, KnownAnswers, Provenance
from parivision_core.nba.shots import NBA
from parivision_core.scoring import sigmoid
from parivision_core.store.base import WarehouseState

GAMES, SHOTS = 300, 100
FIRST, FITTED_UNTIL, SEEN_UNTIL = "2020-11-01", "2020-12-10", "2020-12-20"
"""Of 300 games, four a day, 160 are fitted on, 40 validate, 100 are new."""
STATE = WarehouseState(schema=NBA.schema, base_fingerprint=NBA.base_fingerprint, batches=("one",))


class _BaseRate:
    """An ONNX session that predicts the base rates, shifted in log odds."""

    def __init__(self, shift: float) -> None:
        self.shift = shift

    def run(self, _: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        return [sigmoid(inputs["offset"] + self.shift)]


def champion(first: str, fitted_until: str, seen_until: str, shift: float = 0.0, schema: str = NBA.schema) -> Bundle:
    """A bundle of these dates that predicts the base rate."""
    card = Card(
        sport=NBA.name,
        model="base rate",
        feature_names=list(NBA.feature_names),
        schema=schema,
        base_fingerprint=NBA.base_fingerprint,
        graph_sha256="",
        known_answers=KnownAnswers([], [], []),
        provenance=Provenance(
            run_id="run",
            code_version="0",
            data_fingerprint="",
            batches=1,
            first_date=first,
            last_train_date=fitted_until,
            seen_until=seen_until,
        ),
    )
    session: Any = _BaseRate(shift)
    return Bundle(card, "sha256", session)


CHAMPION = champion(FIRST, FITTED_UNTIL, SEEN_UNTIL)


class MemoryWarehouse:
    """The part of a store that drift reports and trainings read."""

    def __init__(self, rows: pa.Table, state: WarehouseState = STATE) -> None:
        self.rows, self.state = rows, state
        days, day = np.unique(rows["game_date"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
        self.part = np.array([NBA.part_of(str(date)) for date in days])[day]

    def until(self, date: str) -> MemoryWarehouse:
        """The same without the days after a date."""
        return MemoryWarehouse(self.rows.filter(pa.compute.less_equal(self.rows["game_date"], date)), self.state)

    def warehouse_state(self) -> WarehouseState:
        return self.state

    def warehouse_parts(self) -> dict[str, int]:
        return {str(part): int((self.part == part).sum()) for part in np.unique(self.part)}

    def warehouse(self, columns: list[str], parts: list[str]) -> pa.Table:
        return self.rows.filter(pa.array(np.isin(self.part, parts))).select(columns)


def table(shots: Columns, features: np.ndarray, offset: np.ndarray) -> pa.Table:
    """Warehouse rows of shots with their features."""
    inputs = zip(NBA.feature_names, features.T, strict=True)
    kept = {name: pa.array(shots[name]) for name in KEPT if name in shots}
    return pa.table({**kept, OFFSET: pa.array(offset), **{name: pa.array(column) for name, column in inputs}})


def made_up_warehouse(change: Callable[[Columns, np.ndarray], None] | None = None, seed: int = 1) -> MemoryWarehouse:
    """300 games of 100 shots; `change` may alter the columns on the rows marked new."""
    rng = np.random.default_rng(seed)
    game = np.repeat(np.arange(GAMES), SHOTS)
    day = np.datetime64(FIRST) + game // 4
    n = len(game)
    offset = rng.normal(-0.15, 0.5, n)
    features = {name: np.zeros(n) for name in NBA.feature_names}
    features["x_metres"], features["y_metres"] = rng.normal(0, 3, n), rng.gamma(2, 1.5, n)
    features["distance_metres"] = np.hypot(features["x_metres"], features["y_metres"])
    features["points"] = np.where(features["distance_metres"] > 4, 3.0, 2.0)
    for prefix in ("zone_", "kind_"):
        names = [name for name in NBA.feature_names if name.startswith(prefix)]
        drawn = rng.integers(0, len(names), n)
        features |= {name: (drawn == i).astype(float) for i, name in enumerate(names)}
    features["period"], features["seconds_remaining"] = rng.integers(1, 5, n).astype(float), rng.uniform(0, 720, n)
    features["home"] = rng.choice([-1.0, 1.0], n)
    features["base_logit"] = offset
    columns = {**features, "chance": sigmoid(offset)}
    if change is not None:
        change(columns, day > np.datetime64(SEEN_UNTIL))
    made = (rng.random(n) < columns["chance"]).astype(np.int8)
    date = np.datetime_as_string(day)
    ids = np.array([f"{d}:{g:03d}:{i:06d}" for i, (d, g) in enumerate(zip(date, game, strict=True))])
    shots = {"_id": ids, "game_date": date, "game_id": game, "season": np.full(n, 2021), "made": made}
    matrix = np.column_stack([columns[name] for name in NBA.feature_names]).astype(np.float32)
    return MemoryWarehouse(table(shots, matrix, offset.astype(np.float32)))


def report(memory: MemoryWarehouse, bundle: Bundle) -> Drift:
    """The drift report on this warehouse."""
    store: Any = memory
    return measure_drift(store, NBA, bundle)


def drifted(drift: Drift) -> set[str]:
    """Names of the watched columns that drifted."""
    return {c.column.name for c in drift.drifted}
