"""Bringing one batch into the lake: everything up to the one write, its manifest, by which it exists."""

from __future__ import annotations

from parivision_assets.feeds.base import Batch
from parivision_core.records import Manifest, now_ms
from parivision_core.sport import Sport
from parivision_core.store.base import Store


def waiting(offered: list[Batch], store: Store) -> list[Batch]:
    """The offered batches that are not committed, each content once."""
    committed = {manifest.fingerprint for manifest in store.manifests()}
    fresh = {batch.fingerprint: batch for batch in reversed(offered) if batch.fingerprint not in committed}
    return [batch for batch in offered if fresh.get(batch.fingerprint) is batch]


def ingest(batch: Batch, sport: Sport, store: Store) -> Manifest:
    """Ingest a batch exactly once; the manifest of one that is committed already is returned as it stands.

    Raises BatchError when the batch can't be read: nothing of it is kept and the attempt is counted.
    """
    # Imported here because the sensor needs `waiting` alone, several times a minute.
    from parivision_assets.steps.cleaning import clean, lake_table
    from parivision_assets.steps.identity import EVENT, identify

    with store.exclusive("ingest"):
        for manifest in store.manifests():
            if manifest.fingerprint == batch.fingerprint:
                return manifest
        attempts = {failure.fingerprint: failure.attempts for failure in store.failures()}
        try:
            cleaned = clean(batch.read(), sport, batch.id)
            dates = cleaned.shots["game_date"]
            columns = ["_id", EVENT, *sport.match]
            held = store.lake(columns, dates.min(), dates.max()).to_pandas() if len(dates) else None
            existing = held if held is not None and len(held) else cleaned.shots.iloc[:0].assign(_id="")
            ids = identify(cleaned.shots, existing[columns], sport.identity, sport.match)
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
            )
            table = lake_table(cleaned, ids, sport, batch.id, now_ms())
            store.commit_batch(manifest, table, cleaned.quarantined)
        except Exception as error:
            store.record_failure(batch.fingerprint, batch.id, f"{type(error).__name__}: {error}")
            raise
    return manifest
