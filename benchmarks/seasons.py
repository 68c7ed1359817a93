"""Stores made from season files, for benchmarks that need real shots."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from parivision_assets.feeds.base import Batch
from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.steps.feed.ingesting import ingest
from parivision_core.nba.shots import NBA
from parivision_core.records import Manifest
from parivision_core.store import open_files
from parivision_core.store.base import INGEST, Store


def ingested(files: list[Path], home: Path) -> tuple[Store, list[Manifest]]:
    """A store in `home` with the shots of season files, and the manifest of each file.

    Raises FileNotFoundError for a missing file, BatchError for one that can't be read.
    """
    store = open_files(home, NBA)
    return store, [ingest(_batch(file), NBA, store) for file in files]


def _batch(file: Path) -> Batch:
    if not file.is_file():
        raise FileNotFoundError(f"{file} doesn't exist; name season files in a layout that the inbox accepts")
    (batch,) = (batch for batch in InboxFeed(file.parent, 0).batches() if batch.source == file.name)
    return batch


def commit(store: Store, name: str, shots: pa.Table) -> None:
    """Commit rows of another lake to a store as one batch, whose rows they become."""
    days = shots["game_date"].to_numpy()
    address = {"batch_id": pa.array([name] * shots.num_rows), "row": pa.array(range(1, shots.num_rows + 1), pa.int32())}
    for column, values in address.items():
        shots = shots.set_column(shots.schema.get_field_index(column), column, values)
    manifest = Manifest(
        batch_id=name,
        fingerprint=name,
        feed="benchmark",
        source=name,
        rows=shots.num_rows,
        inserted=shots.num_rows,
        duplicates=0,
        quarantined=0,
        attempt=1,
        layout="lake",
        first_date=str(np.min(days)),
        last_date=str(np.max(days)),
    )
    with store.exclusive(INGEST):
        store.commit_batch(manifest, shots, [])
