"""Bringing one batch into the lake: everything up to the one write, its manifest, by which it exists."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from parivision_assets.feeds.base import Batch
from parivision_core.problems import ConflictError, StoreError
from parivision_core.records import Manifest, now_ms
from parivision_core.sport import Sport
from parivision_core.store.base import INGEST, Store

if TYPE_CHECKING:
    import pandas as pd

TRIES = 3
"""How often a batch is compared with the lake anew when someone else writes at the same time."""


def waiting(offered: list[Batch], store: Store) -> list[Batch]:
    """The offered batches that are not committed, each content once."""
    committed = {manifest.fingerprint for manifest in store.manifests()}
    fresh = {batch.fingerprint: batch for batch in reversed(offered) if batch.fingerprint not in committed}
    return [batch for batch in offered if fresh.get(batch.fingerprint) is batch]


def ingest(batch: Batch, sport: Sport, store: Store) -> Manifest:
    """Ingest a batch exactly once; the manifest of one that is committed already is returned as it stands.

    Raises BatchError when the batch can't be read: nothing of it is kept and the attempt is counted.
    """
    with store.exclusive(INGEST):
        for manifest in store.manifests():
            if manifest.fingerprint == batch.fingerprint:
                return manifest
        try:
            return _commit(batch, sport, store)
        except Exception as error:
            with suppress(StoreError):  # a store that can't be reached must not hide what went wrong first
                store.record_failure(batch.fingerprint, batch.id, f"{type(error).__name__}: {error}")
            raise


def _commit(batch: Batch, sport: Sport, store: Store) -> Manifest:
    # Imported here because the sensor needs `waiting` alone, several times a minute.
    from parivision_assets.steps.cleaning import clean, lake_table

    attempts = {failure.fingerprint: failure.attempts for failure in store.failures()}
    cleaned = clean(batch.read(), sport, batch.id)
    dates = cleaned.shots["game_date"]
    for left in reversed(range(TRIES)):
        ids = _ids(cleaned.shots, sport, store)
        new = dates[ids.notna().to_numpy()]
        manifest = Manifest(
            batch_id=batch.id,
            fingerprint=batch.fingerprint,
            feed=batch.feed,
            source=batch.source,
            rows=len(cleaned.shots) + len(cleaned.quarantined) + cleaned.repeats,
            inserted=len(new),
            duplicates=cleaned.repeats + len(dates) - len(new),
            quarantined=len(cleaned.quarantined),
            attempt=attempts.get(batch.fingerprint, 0) + 1,
            layout=cleaned.layout,
            details=cleaned.details,
            first_date=new.min() if len(new) else None,
            last_date=new.max() if len(new) else None,
            resolves=batch.resolves,
        )
        table = lake_table(cleaned, ids, sport, batch.id, now_ms())
        try:
            store.commit_batch(manifest, table, cleaned.quarantined)
        except ConflictError:  # someone else stored some of these shots: they are duplicates now
            if not left:
                raise
        else:
            return manifest
    raise AssertionError("the last try returns or raises")


def _ids(shots: pd.DataFrame, sport: Sport, store: Store) -> pd.Series:
    """The `_id` of each shot that the lake doesn't hold yet, None for the others."""
    from parivision_assets.steps.identity import EVENT, identify

    columns = ["_id", EVENT, *sport.match]
    held = store.lake(columns, days=set(shots["game_date"])).to_pandas()
    existing = held if len(held) else shots.iloc[:0].assign(_id="")
    return identify(shots, existing[columns], sport.identity, sport.match)
