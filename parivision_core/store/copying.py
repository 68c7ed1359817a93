"""Copies everything that one store holds into another, batch by batch, so that it can be interrupted and resumed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

from parivision_core.problems import StoreError
from parivision_core.records import Manifest
from parivision_core.store.base import INGEST, WAREHOUSE, Store, WarehouseState

UNFINISHED = WarehouseState(schema="being copied", batches=("being copied",))
"""State of a warehouse while it is copied: no version has this schema, so nothing trains on it or adds to it."""


@dataclass(frozen=True)
class Counts:
    """How much a store holds."""

    batches: int
    shots: int
    hidden_shots: int
    quarantined: int
    feature_rows: int
    feature_states: int
    verdicts: int

    def differences(self, other: Counts) -> list[str]:
        """The differences, in words."""
        pairs = [(f.name.replace("_", " "), getattr(self, f.name), getattr(other, f.name)) for f in fields(self)]
        return [f"{mine:,} {name} here, {theirs:,} there" for name, mine, theirs in pairs if mine != theirs]


def count(store: Store) -> Counts:
    """Count what a store really holds, row by row, not what its manifests state."""
    manifests = store.manifests()
    shots = stored = sum(piece.num_rows for piece in store.scan(["_id"]))
    if any(m.hidden or m.kept for m in manifests):
        stored = sum(store.stored(m.batch_id, columns=["_id"])[0].num_rows for m in manifests)
    return Counts(
        batches=len(manifests),
        shots=shots,
        hidden_shots=stored - shots,
        quarantined=sum(len(store.quarantine(m.batch_id)) for m in manifests if m.quarantined),
        feature_rows=sum(store.warehouse(["_id"], [part]).num_rows for part in store.warehouse_parts()),
        feature_states=len(store.feature_state_names()),
        verdicts=len(store.verdicts()),
    )


def copy(source: Store, target: Store, report: Callable[[str], None] = lambda _: None) -> Counts:
    """Copy what the target doesn't hold yet, reporting a line for each batch and part; returns the target's counts.

    Only one batch, or one part of the warehouse, is in memory at a time. Failed attempts are not copied, for their
    batches are offered again. Raises StoreError when the target holds what the source doesn't, or when the counts
    differ at the end.
    """
    with (
        source.exclusive(INGEST),
        target.exclusive(INGEST),
        source.exclusive(WAREHOUSE),
        target.exclusive(WAREHOUSE),
    ):
        _copy_batches(source, target, report)
        _copy_verdicts(source, target)
        _copy_warehouse(source, target, report)
        here, there = count(source), count(target)
    if differences := here.differences(there):
        raise StoreError(f"the copy isn't complete: {'; '.join(differences)}; empty the target and copy again")
    return there


def _copy_batches(source: Store, target: Store, report: Callable[[str], None]) -> None:
    ours, theirs = source.manifests(), {manifest.batch_id: manifest for manifest in target.manifests()}
    if foreign := sorted(set(theirs) - {manifest.batch_id for manifest in ours}):
        raise StoreError(f"the target holds the batch {foreign[0]}, which the source doesn't; copy into an empty store")
    for at, manifest in enumerate(ours, start=1):
        done = theirs.get(manifest.batch_id)
        if done is None:
            _copy_batch(source, target, manifest)
        elif done != manifest:
            raise StoreError(f"the target holds another batch {manifest.batch_id}; copy into an empty store")
        known = " (there already)" if done else ""
        report(f"batch {at} of {len(ours)}: {manifest.inserted:,} shots of {manifest.batch_id}{known}")


def _copy_batch(source: Store, target: Store, manifest: Manifest) -> None:
    shots, links = source.stored(manifest.batch_id)
    if shots.num_rows != manifest.stored:
        raise StoreError(
            f"batch {manifest.batch_id} should have {manifest.stored:,} shots and has {shots.num_rows:,}; restore "
            "the source from a backup"
        )
    target.commit_batch(manifest, shots, source.quarantine(manifest.batch_id), links)


def _copy_verdicts(source: Store, target: Store) -> None:
    ours, theirs = source.verdicts()[::-1], target.verdicts()[::-1]
    if theirs != ours[: len(theirs)]:
        raise StoreError("the target holds verdicts that the source doesn't; copy into an empty store")
    for verdict in ours[len(theirs) :]:
        target.put_verdict(verdict)


def _copy_warehouse(source: Store, target: Store, report: Callable[[str], None]) -> None:
    """Part by part, then each feature state; until the last write the target's warehouse is marked as unfinished."""
    parts = source.warehouse_parts()
    if foreign := sorted(set(target.warehouse_parts()) - set(parts)):
        raise StoreError(f"the target's warehouse has a part {foreign[0]}; copy into an empty store")
    for at, (part, rows) in enumerate(parts.items(), start=1):
        target.publish_warehouse({part: source.warehouse(parts=[part])}, UNFINISHED, {})
        report(f"part {at} of {len(parts)}: {rows:,} feature rows of {part}")
    names = source.feature_state_names()
    for name in names:
        record = source.get_feature_state(name)
        if record is not None and record.stamp != target.feature_state_stamp(name):
            target.publish_warehouse({}, UNFINISHED, {name: record})
    target.publish_warehouse({}, source.warehouse_state(), {})
    report(f"{len(names)} feature states")
