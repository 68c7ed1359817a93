"""Bringing one batch into the lake; the write of its manifest is the commit."""

from __future__ import annotations

from contextlib import suppress

from parivision_assets.feeds.base import Batch
from parivision_core import __version__
from parivision_core.problems import BatchError, FeedError, PariVisionError, StoreError
from parivision_core.records import Failure, Manifest, now_ms
from parivision_core.sport import Sport
from parivision_core.store.base import INGEST, Store


def waiting(offered: list[Batch], store: Store) -> list[Batch]:
    """The offered batches that aren't committed; of several with the same content, one."""
    committed = {manifest.fingerprint for manifest in store.manifests()}
    fresh = {batch.fingerprint: batch for batch in reversed(offered) if batch.fingerprint not in committed}
    return [batch for batch in offered if fresh.get(batch.fingerprint) is batch]


def rejected(store: Store) -> dict[str, Failure]:
    """Failures, by fingerprint, of batches whose content this version can't use: a person has to look at them."""
    return {f.fingerprint: f for f in store.failures() if f.rejected_by == __version__}


def fault_in_words(error: Exception, source: str) -> str:
    """What went wrong with the batch from `source`, a file or an address; for an unexpected error with its type."""
    message = str(error) if isinstance(error, PariVisionError) else f"{type(error).__name__}: {error}"
    return message if source.rpartition("/")[2] in message else f"{source}: {message}"


def ingest(batch: Batch, sport: Sport, store: Store) -> Manifest:
    """Ingest a batch exactly once; the manifest of one that is committed already is returned as it stands.

    Raises BatchError when the batch can't be read, FeedError when it can't be fetched at the moment, and StoreError
    when it can't be stored: nothing of it is kept, the attempt is counted, and the batch can be offered again.
    """
    with store.exclusive(INGEST):
        manifests = store.manifests()
        for manifest in manifests:
            if manifest.fingerprint == batch.fingerprint:
                return manifest
        try:
            return _commit(batch, manifests, sport, store)
        except Exception as error:
            with suppress(StoreError):  # a store that can't be reached must not hide the first error
                at_fault = isinstance(error, BatchError) and not isinstance(error, FeedError)
                reason = fault_in_words(error, batch.source)
                store.record_failure(batch.fingerprint, batch.id, reason, rejected_by=__version__ if at_fault else "")
            raise


def _commit(batch: Batch, manifests: list[Manifest], sport: Sport, store: Store) -> Manifest:
    # Imported here because the sensor needs `waiting` alone, several times a minute.
    from parivision_assets.steps.feed.cleaning import clean, lake_table
    from parivision_assets.steps.feed.identity import STANDS, identify
    from parivision_assets.steps.feed.linking import held_rows, link, positions

    attempts = {failure.fingerprint: failure.attempts for failure in store.failures()}
    cleaned = clean(batch.read(), sport, batch.id)
    shots = cleaned.shots
    held = held_rows(shots, batch.corrects, manifests, sport, store)
    corrects = positions(held, batch.corrects, shots.index)
    if batch.corrects and len(corrects) < len(shots):
        raise BatchError("a shot was corrected or withdrawn meanwhile; write it out and correct it again")
    found = identify(shots, held, sport.identity, sport.match, corrects)
    linked = link(found, held, corrects, batch.id)
    days = shots["game_date"][found[STANDS]]
    changed = [*days, *linked.hidden["game_date"]]
    manifest = Manifest(
        batch_id=batch.id,
        fingerprint=batch.fingerprint,
        feed=batch.feed,
        source=batch.source,
        rows=cleaned.rows,
        inserted=len(days),
        duplicates=cleaned.repeats + len(found) - len(days),
        quarantined=len(cleaned.quarantined),
        counted=cleaned.counted,
        attempt=attempts.get(batch.fingerprint, 0) + 1,
        layout=cleaned.layout,
        details=cleaned.details,
        first_date=days.min() if len(days) else None,
        last_date=days.max() if len(days) else None,
        resolves=batch.resolves,
        corrects=batch.corrects,
        revised=linked.revised,
        hidden=len(linked.hidden),
        kept=linked.links.kept(batch.id),
        changed_since=min(changed, default=None),
        changed_until=max(changed, default=None),
    )
    table = lake_table(cleaned, found["_id"], sport, batch.id, now_ms())
    store.commit_batch(manifest, table, cleaned.quarantined, linked.links)
    return manifest
