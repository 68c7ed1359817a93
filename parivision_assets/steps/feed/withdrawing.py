"""Taking a committed batch back: its days are reconstructed without it, and the difference is committed.

Nothing is removed from the lake. A withdrawal is a commit, too: it hides the rows that must not stand any more, and
stores copies of those that must and don't. So readers see what they would see if the batch had never come.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence

import msgspec
import pandas as pd
import pyarrow as pa

from parivision_assets.steps.feed.linking import ADDRESS, at_places, rows_by_batch, standing
from parivision_assets.steps.feed.reconstructing import SOURCE, Reconstruction, delivered, stored_rows
from parivision_core.problems import BatchError
from parivision_core.records import Links, Manifest, withdrawn
from parivision_core.sport import Sport
from parivision_core.store.base import INGEST, Store

FEED = "withdrawal"
LONGEST_NAME = 150
"""Characters of a batch's id in that of its withdrawal: file names have 255 at most, and each undoing adds some."""


def withdraw(batch_id: str, sport: Sport, store: Store, announce: Callable[[str], object] = lambda _: None) -> Manifest:
    """Take a batch back, and with it the batches that corrected its rows. To undo that, withdraw the withdrawal.

    The id of the withdrawal is announced before its commit. Raises BatchError when there is no such batch, when it is
    withdrawn already, or when an older version ingested a later batch without keeping what it repeated.
    """
    with store.exclusive(INGEST):
        manifests = store.manifests()
        draft = _draft(batch_id, manifests)
        gone = withdrawn([*manifests, draft])
        counting = [m for m in manifests if m.batch_id not in gone and not m.withdraws]
        _require_kept(gone, manifests)
        days = _days(_affected(draft, manifests), manifests, store)
        copies, hidden = _changes(days, counting, manifests, sport, store)
        stored = copies["game_date"].to_pylist() if copies.num_rows else []
        changed = [*stored, *hidden["game_date"]]
        manifest = msgspec.structs.replace(
            draft,
            rows=len(stored),
            inserted=len(stored),
            first_date=min(stored, default=None),
            last_date=max(stored, default=None),
            hidden=len(hidden),
            changed_since=min(changed, default=None),
            changed_until=max(changed, default=None),
        )
        announce(manifest.batch_id)
        store.commit_batch(manifest, copies, [], Links(hides=rows_by_batch(hidden)))
        return manifest


def _draft(batch_id: str, manifests: Sequence[Manifest]) -> Manifest:
    """The manifest of a withdrawal, before it is known what it changes."""
    gone = withdrawn(manifests)
    if batch_id in gone:
        by = gone[batch_id]
        raise BatchError(f"{batch_id} is withdrawn already; `make withdraw BATCH={by}` brings it back")
    if all(batch_id != manifest.batch_id for manifest in manifests):
        raise BatchError(f"there is no batch {batch_id}; Dagster lists the batches as partitions of raw_shots")
    digest = hashlib.sha256(f"withdrawal of {batch_id} after {manifests[-1].fingerprint}".encode()).hexdigest()
    draft = Manifest(
        batch_id=f"withdrawal-of-{batch_id[:LONGEST_NAME]}-{digest[:8]}",
        fingerprint=digest,
        feed=FEED,
        source=f"withdrawal of {batch_id}",
        rows=0,
        inserted=0,
        duplicates=0,
        quarantined=0,
        attempt=1,
        layout="",
        kept=0,
        withdraws=(batch_id,),
    )
    # A correction doesn't outlive the batch that it corrects.
    while with_it := tuple(_corrections_of(withdrawn([*manifests, draft]), manifests)):
        draft = msgspec.structs.replace(draft, withdraws=draft.withdraws + with_it)
    return draft


def _corrections_of(gone: Collection[str], manifests: Sequence[Manifest]) -> Iterator[str]:
    """Batches that count, but correct rows of others that don't."""
    for manifest in manifests:
        origins = {origin for origin, _ in (*manifest.resolves, *manifest.corrects)}
        if manifest.batch_id not in gone and not origins.isdisjoint(gone):
            yield manifest.batch_id


def _require_kept(gone: Collection[str], manifests: Sequence[Manifest]) -> None:
    """Raise BatchError when a batch that counts may have repeated rows of one before it that doesn't, and lost them."""
    missed = ""
    for manifest in manifests:
        if manifest.batch_id in gone:
            missed = missed or manifest.batch_id
        elif missed and manifest.duplicates and manifest.kept is None:
            raise BatchError(
                f"{missed} can't be withdrawn: an older version ingested {manifest.batch_id} after it and didn't keep "
                f"its {manifest.duplicates:,} duplicates, which may be needed then. Restore a backup from before it, "
                "or ingest all other batches into a new state folder"
            )


def _affected(withdrawal: Manifest, manifests: Sequence[Manifest]) -> set[str]:
    """The batches that count no longer, or again, since a withdrawal."""
    withdraws = {manifest.batch_id: manifest.withdraws for manifest in manifests}
    found: set[str] = set()
    left = [*withdrawal.withdraws]
    while left:
        batch = left.pop()
        found.add(batch)
        left += withdraws[batch]
    return found


def _days(affected: Collection[str], manifests: Sequence[Manifest], store: Store) -> set[str]:
    """The days on which readers may see other rows; a person's correction may connect one day with another."""
    spans = {
        manifest.batch_id: _span(manifest, manifests, store)
        for manifest in manifests
        if manifest.corrects or manifest.batch_id in affected
    }
    days: set[str] = set()
    more = set().union(*(spans[batch] for batch in affected))
    while more - days:
        days |= more
        more = set().union(*(span for span in spans.values() if span & days))
    return days


def _span(manifest: Manifest, manifests: Sequence[Manifest], store: Store) -> set[str]:
    """The days of the rows that a batch delivered, and of those that it corrects."""
    table, links = store.stored(manifest.batch_id, columns=["game_date"])
    others = {(batch, there) for batch, pairs in links.repeats.items() for there, _ in pairs}
    days = set(table["game_date"].unique().to_pylist()) if table.num_rows else set()
    return days | {*at_places(others | set(manifest.corrects), manifests, store)["game_date"]}


def _changes(
    days: Collection[str], counting: Sequence[Manifest], manifests: Sequence[Manifest], sport: Sport, store: Store
) -> tuple[pa.Table, pd.DataFrame]:
    """Copies of the rows that readers must see and don't, and the rows that they see and must not."""
    stored, links = stored_rows(days, manifests, store)
    seen = standing(["_id", "game_date", *ADDRESS], days, store)
    if not stored.num_rows:  # the batches held nothing
        return pa.table({"_id": pa.array([], pa.string())}), seen
    content = stored.select([*sport.fields, *ADDRESS]).to_pandas()
    content = content.assign(**{SOURCE: range(len(content))}).drop_duplicates(ADDRESS)
    lake = Reconstruction(content, sport)
    for manifest in counting:
        if manifest.batch_id in links:
            rows = delivered(manifest.batch_id, links[manifest.batch_id], content)
            lake.add(rows, manifest.corrects)
    wanted = lake.standing
    names = [*ADDRESS, "_id"]
    here, there = (pd.MultiIndex.from_frame(rows[names]) for rows in (wanted, seen))
    missing = wanted[~here.isin(there)]
    copies = stored.take(pa.array(missing[SOURCE], pa.int64()))
    for name in names:
        at = copies.schema.get_field_index(name)
        copies = copies.set_column(at, name, pa.array(missing[name], copies.schema.field(name).type))
    return copies, seen[~there.isin(here)]
