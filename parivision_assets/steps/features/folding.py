"""Bringing the warehouse up to date with the lake: the parts (seasons) from the first new shot on are folded again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from parivision_core.arrays import Columns
from parivision_core.problems import StoreError
from parivision_core.records import FeatureStateRecord
from parivision_core.sport import Sport
from parivision_core.store.base import CURRENT_FEATURE_STATE, WAREHOUSE, Store, WarehouseState

KEPT = ("_id", "game_date", "game_id", "season", "made")
"""Columns that the warehouse takes over from the lake."""
OFFSET = "offset"


@dataclass(frozen=True)
class Folded:
    """Result of an update."""

    state: WarehouseState
    parts: list[str]
    """Parts of the warehouse that were rewritten or extended; empty when it was up to date."""
    feature_state: FeatureStateRecord | None


def update_warehouse(store: Store, sport: Sport, log: Callable[[str], None] = lambda _: None) -> Folded:
    """Fold every committed batch into the warehouse and the feature state; logs one line per part.

    A batch of later days is folded on top of the feature state, and its rows are added to their part. The feature
    state after each part is kept, so a batch that arrives late costs only the parts from its own on.
    """
    with store.exclusive(WAREHOUSE):
        manifests, state = store.manifests(), store.warehouse_state()
        same_recipe = (state.schema, state.base_fingerprint) == (sport.schema, sport.base_fingerprint)
        folded = set(state.batches) if same_recipe else set()
        days = [m.changed[0] for m in manifests if m.changed and m.batch_id not in folded]
        batches = tuple(m.batch_id for m in manifests)
        published = store.warehouse_parts()
        if not days and same_recipe and (damaged := _damaged(published, store)):
            log(f"{damaged} can't be read and is folded again from the lake")
            days = [sport.part_bounds(damaged)[0]]
        if not days:
            feature_state = store.get_feature_state()
            if batches != state.batches and feature_state is not None:
                # Batches that held nothing new still count as folded.
                store.publish_warehouse({}, msgspec.structs.replace(state, batches=batches), {})
            return Folded(store.warehouse_state(), [], feature_state)
        ends = [m.changed[1] for m in manifests if m.changed]
        since, feature_state = _start(min(days), same_recipe, state, published, store, sport)
        parts: dict[str, pa.Table] = {}
        grown: dict[str, pa.Table] = {}
        feature_states: dict[str, FeatureStateRecord] = {}
        for part in _parts(sport, since, max(ends)):
            first, last = sport.part_bounds(part)
            shots = _shots(store, sport, max(since, first), last)
            longer = since > first and part in published
            if not len(shots["made"]):
                if part in published and not longer:  # all its shots were withdrawn
                    parts[part] = _no_rows(sport)
                    feature_states[f"after-{part}"] = feature_state.record()
                    log(f"{part}: no shot is left")
                continue
            features, offset, feature_state = sport.fold(feature_state, shots)
            (grown if longer else parts)[part] = _table(sport, shots, features, offset)
            feature_states[f"after-{part}"] = feature_state.record()
            added = " on top" if longer else ""
            log(f"{part}: {len(offset):,} shots folded{added}, feature state through {feature_state.through}")
        record = feature_states[CURRENT_FEATURE_STATE] = feature_state.record()
        kept = sum(rows for name, rows in published.items() if name not in parts)
        new = WarehouseState(
            schema=sport.schema,
            base_fingerprint=sport.base_fingerprint,
            feature_state_stamp=record.stamp,
            batches=batches,
            rows=kept + sum(table.num_rows for table in [*parts.values(), *grown.values()]),
        )
        store.publish_warehouse(parts, new, feature_states, grown)
        return Folded(new, [*parts, *grown], record)


def current_state(store: Store, sport: Sport) -> WarehouseState:
    """The state of a warehouse that this code can read.

    Raises StoreError when another version folded it: a model trained on it would be paired with the wrong feature
    state.
    """
    state = store.warehouse_state()
    if state.batches and (state.schema, state.base_fingerprint) != (sport.schema, sport.base_fingerprint):
        raise StoreError("the warehouse was folded by another version of the code; materialize shot_features first")
    return state


def columns_of(table: pa.Table) -> Columns:
    """Columns of an Arrow table as numpy arrays."""
    return {name: table[name].to_numpy() for name in table.column_names}


def matrix_of(table: pa.Table, sport: Sport) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, k) and offset (n,) of warehouse rows."""
    return np.column_stack([table[name].to_numpy() for name in sport.feature_names]), table[OFFSET].to_numpy()


def _parts(sport: Sport, first: str, last: str) -> Iterator[str]:
    day = first
    while True:
        part = sport.part_of(day)
        yield part
        end = sport.part_bounds(part)[1]
        if end >= last:
            return
        day = str(np.datetime64(end) + 1)


def _start(
    first: str, same_recipe: bool, state: WarehouseState, published: Mapping[str, int], store: Store, sport: Sport
) -> tuple[str, Any]:
    """Where folding must begin for shots from the day `first` on, and the feature state before that day.

    It begins on that day, on top of the current feature state, when they are later and their part can be read; else at
    the start of their part, with the feature state kept after the part before, or, where that can't be read, of an
    earlier part. After a change of the recipe the first part is folded again, too, so that a feature state of the old
    recipe is never continued.
    """
    record = _readable(CURRENT_FEATURE_STATE, store) if same_recipe else None
    part = sport.part_of(first)
    if (
        record is not None
        and record.stamp == state.feature_state_stamp
        and (record.through or "") < first
        and _sound(part, published.get(part, 0), store)
    ):
        return first, sport.load_feature_state(record)
    for before in sorted((p for p in published if p < part), reverse=True):
        if record := _readable(f"after-{before}", store):
            return sport.part_bounds(part)[0], sport.load_feature_state(record)
        part = before
    return sport.part_bounds(part)[0], sport.empty_feature_state()


def _damaged(published: Mapping[str, int], store: Store) -> str:
    """The first part that can't be read, or the last if the current feature state can't; empty if all is well."""
    parts = [part for part, rows in published.items() if not _sound(part, rows, store)]
    if not parts and published and _readable(CURRENT_FEATURE_STATE, store) is None:
        parts = [max(published)]
    return min(parts, default="")


def _readable(name: str, store: Store) -> FeatureStateRecord | None:
    """A feature state, None if there is none or it can't be read: it is folded again from the lake."""
    try:
        return store.get_feature_state(name)
    except StoreError:
        return None


def _sound(part: str, rows: int, store: Store) -> bool:
    """Whether a part with so many published rows can be read; a damaged one is folded again from the lake."""
    try:
        return not rows or store.warehouse([OFFSET], [part]).num_rows == rows
    except StoreError:
        return False


def _shots(store: Store, sport: Sport, since: str, until: str) -> Columns:
    """Shots of these days in canonical order: by date, then id."""
    table = store.lake(["_id", *sport.fields], since, until)
    if not table.num_rows:
        return {"made": np.empty(0)}
    return columns_of(table.sort_by([("game_date", "ascending"), ("_id", "ascending")]))


def _no_rows(sport: Sport) -> pa.Table:
    kinds = {name: sport.fields.get(name, "string") for name in KEPT}
    kinds |= dict.fromkeys((OFFSET, *sport.feature_names), "float32")
    return pa.table({name: pa.array([], kind) for name, kind in kinds.items()})


def _table(sport: Sport, shots: Columns, features: np.ndarray, offset: np.ndarray) -> pa.Table:
    kept = {name: pa.array(shots[name]) for name in KEPT}
    inputs = zip(sport.feature_names, features.T, strict=True)
    return pa.table({**kept, OFFSET: pa.array(offset), **{name: pa.array(column) for name, column in inputs}})
