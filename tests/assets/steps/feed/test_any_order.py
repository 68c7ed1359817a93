"""Late, overlapping, corrected and withdrawn batches: what is left equals what came in the order of time."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from parivision_assets.steps.features.folding import update_warehouse
from parivision_core.nba.shots import NBA
from parivision_core.nba.shots.history.feature_state import FeatureState
from parivision_core.store import open_mongo
from parivision_core.store.base import Store
from parivision_core.store.files import FileStore
from tests.helpers.truths import DAYS, SHOTS, VERSIONS, WITHOUT_EVENTS, Deliveries, Shot, fill

Operation = tuple[Any, ...]
NUMBERS = st.sets(st.integers(0, SHOTS - 1), min_size=1, max_size=3)
EVENT_DAYS = st.sampled_from([day for day in DAYS if day != WITHOUT_EVENTS])
OPERATIONS = st.one_of(
    st.tuples(st.just("day"), st.sampled_from(DAYS)),
    st.tuples(st.just("overlap"), EVENT_DAYS, EVENT_DAYS, NUMBERS),
    st.tuples(st.just("event"), EVENT_DAYS, NUMBERS, st.integers(1, VERSIONS - 1)),
    st.tuples(st.just("person"), st.integers(0, 99), st.integers(0, VERSIONS - 1)),
    st.tuples(st.just("withdraw"), st.integers(0, 99)),
    st.tuples(st.just("fold")),
)
SEQUENCES = st.tuples(st.permutations(DAYS), st.lists(OPERATIONS, max_size=9)).map(
    lambda drawn: [*(("day", day) for day in drawn[0][:2]), *drawn[1]]
)


def perform(operation: Operation, deliveries: Deliveries) -> None:
    match operation:
        case "day", day:
            deliveries.deliver([(Shot(day, number), 0) for number in range(SHOTS)])
        case "overlap", one, other, numbers:
            deliveries.deliver([(Shot(day, number), 0) for day in {one, other} for number in sorted(numbers)])
        case "event", day, numbers, version:
            deliveries.deliver([(Shot(day, number), version) for number in sorted(numbers)])
        case "person", at, version:
            if truth := deliveries.truth():
                deliveries.correct(sorted(truth)[at % len(truth)], version)
        case "withdraw", at:
            deliveries.withdraw(at)
        case ("fold",):
            update_warehouse(deliveries.store, NBA)


def lake(store: Store) -> pd.DataFrame:
    table = store.lake(["_id", *NBA.fields])
    return table.to_pandas().sort_values("_id", ignore_index=True) if table.num_rows else pd.DataFrame()


def arrays(store: Store) -> dict[str, np.ndarray]:
    """The numbers of the current feature state."""
    record = store.get_feature_state()
    assert record is not None
    state = FeatureState.from_record(record)
    found = {"cells": state.league.cells, "zones": state.league.zones, "slow zones": state.league.slow_zones}
    for name, sums in state.sums.items():
        found |= {f"keys of {name}": sums.keys, f"sums of {name}": sums.values}
    return found


def same(store: Store, ordered: Store) -> None:
    """Assert that both show the same lake, features and feature state."""
    pd.testing.assert_frame_equal(lake(store), lake(ordered))
    for at in (store, ordered):
        update_warehouse(at, NBA)
    assert store.warehouse_parts() == ordered.warehouse_parts()
    ours, theirs = (at.warehouse().to_pandas() for at in (store, ordered))
    if len(theirs):
        pd.testing.assert_frame_equal(ours, theirs, check_exact=False, atol=1e-9, rtol=0)
    one, other = (at.get_feature_state() for at in (store, ordered))
    if other is None:
        assert one is None or one.shots == 0
        return
    assert one is not None
    assert (one.through, one.shots) == (other.through, other.shots)
    here, there = arrays(store), arrays(ordered)
    for name, values in there.items():
        np.testing.assert_allclose(here[name], values, rtol=0, atol=1e-9, err_msg=name)


def check(operations: list[Operation], store: Store, ordered: Store) -> None:
    deliveries = Deliveries(store)
    for operation in operations:
        perform(operation, deliveries)
    truth = deliveries.truth()
    fill(ordered, truth)
    assert sum(manifest.added for manifest in store.manifests()) == len(truth)
    same(store, ordered)


TAKEN_BACK_AGAIN = [("day", DAYS[3]), ("withdraw", 0), ("withdraw", 0), ("person", 0, 2), ("withdraw", 1)]
"""A batch is withdrawn, brought back, corrected by a person, and its return withdrawn."""
OLD_FILE_AGAIN = [
    ("day", DAYS[3]),
    ("day", DAYS[0]),
    ("person", 8, 1),
    ("person", 0, 2),
    ("day", DAYS[3]),
    ("day", DAYS[0]),
]
"""Two persons' corrections, after which the files come again with what they corrected."""
EMPTY_SEASON = [("day", DAYS[0]), ("day", DAYS[2]), ("fold",), ("withdraw", 0), ("fold",), ("withdraw", 0), ("fold",)]
"""The shots of a season, and then all shots, are withdrawn after they were folded."""


@given(SEQUENCES)
@example(TAKEN_BACK_AGAIN)
@example(OLD_FILE_AGAIN)
@example(EMPTY_SEASON)
@settings(max_examples=settings().max_examples // 5)
def test_any_order_equals_the_order_of_time(operations: list[Operation]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one, other = (FileStore(Path(folder) / name, NBA.lake, NBA.warehouse) for name in ("one", "other"))
        check(operations, one, other)


@pytest.mark.slow
@given(SEQUENCES)
@example(TAKEN_BACK_AGAIN)
@example(OLD_FILE_AGAIN)
@example(EMPTY_SEASON)
@settings(max_examples=3, suppress_health_check=[HealthCheck.too_slow])
def test_any_order_equals_the_order_of_time_on_mongodb(mongo_server: str, operations: list[Operation]) -> None:
    with MongoClient[dict[str, Any]](mongo_server) as client:
        names = [f"parivision_test_{uuid.uuid4().hex[:12]}" for _ in range(2)]
        try:
            one, other = (open_mongo(client[name], NBA) for name in names)
            check(operations, one, other)
        finally:
            for name in names:
                client.drop_database(name)
