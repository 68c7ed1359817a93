"""Small batches and records for tests of a store, where what they hold doesn't matter."""

from __future__ import annotations

import pyarrow as pa
import pytest

from parivision_core.problems import StoreError
from parivision_core.records import Manifest, Quarantined, Verdict
from parivision_core.store.base import Store


def manifest(batch: str = "b", inserted: int = 2, quarantined: int = 0, first: str = "2023-01-01") -> Manifest:
    """The manifest of `shots_of` the batch."""
    return Manifest(
        batch_id=batch,
        fingerprint=f"f-{batch}",
        feed="inbox",
        source="x.csv",
        rows=inserted + quarantined,
        inserted=inserted,
        duplicates=0,
        quarantined=quarantined,
        counted=inserted + quarantined,
        attempt=1,
        layout="season",
        first_date=first,
        last_date="2023-01-02",
    )


def shots_of(batch: str) -> pa.Table:
    """Two shots, of two days."""
    return pa.table({"_id": [f"{batch}1", f"{batch}2"], "game_date": ["2023-01-01", "2023-01-02"], "made": [0, 1]})


def bad_row(batch: str = "b") -> Quarantined:
    """A quarantined row."""
    return Quarantined(batch_id=batch, row=3, reason="no player", raw="{}")


def verdict(candidate: int) -> Verdict:
    """A verdict by which a candidate passed."""
    return Verdict(
        candidate=candidate,
        champion=None,
        epoch=0,
        decision="pass",
        reason="r",
        games=40,
        shots=9,
        margin=0.001,
        level=0.95,
    )


def rows(ids: str, values: list[float], name: str = "f") -> pa.Table:
    """Feature rows of one column, a letter of `ids` naming each."""
    return pa.table({"_id": pa.array(list(ids), pa.string()), name: pa.array(values, pa.float32())})


def refused(store: Store, table: pa.Table, why: str) -> None:
    """Assert that a batch with these shots is refused, and nothing of it kept."""
    with pytest.raises(StoreError, match=why):
        store.commit_batch(manifest(), table, [bad_row()])
    assert store.manifests() == store.quarantine() == []
    assert store.lake().num_rows == 0
