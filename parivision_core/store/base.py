"""The interface of every kind of store. Tables are Arrow tables; feature states and verdicts are read without Arrow."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from parivision_core.records import Failure, FeatureStateRecord, Links, Manifest, Quarantined, Verdict

if TYPE_CHECKING:
    import pyarrow as pa

    from parivision_core.store.shots import ShotQuery

CURRENT_FEATURE_STATE = "current"
"""Name of the feature state after the last day."""
INGEST = "ingest"
"""Lock under which batches are committed."""
WAREHOUSE = "warehouse"
"""Lock under which the warehouse is published."""
NOTHING: Mapping[str, Any] = MappingProxyType({})
UNLINKED = Links()
"""The links of a commit that has none."""


def narrowed(since: str | None, until: str | None, days: Collection[str] | None) -> tuple[str | None, str | None]:
    """First and last day that can match when, in addition, only some `days` are wanted."""
    if days is None:
        return since, until
    first, last = min(days, default=""), max(days, default="")
    return max(since or first, first), min(until or last, last)


class WarehouseState(msgspec.Struct, frozen=True, kw_only=True):
    """What the published warehouse was folded from."""

    schema: str = ""
    base_fingerprint: str = ""
    feature_state_stamp: str = ""
    batches: tuple[str, ...] = ()
    """Ids of the committed batches that are folded in."""
    rows: int = 0


class Store(Protocol):
    """Lake, warehouse, feature states and verdicts of one sport.

    Readers see a batch only once its manifest is written, and a warehouse only together with the feature state it was
    folded with. Tables have a text column `_id` that is unique, and finite numbers only. Rows of the lake that later
    commits hide, by their Links, are never removed, and only `stored` shows them. Each method raises StoreError, naming
    what to do, when the store can't be reached, read or written.
    """

    def exclusive(self, name: str, wait_seconds: float = 600) -> AbstractContextManager[None]:
        """Hold the named lock, which no other process holds meanwhile; the lock of a process that died is free.

        Raises StoreError naming the holder when it isn't free within `wait_seconds`.
        """
        ...

    # Lake

    def commit_batch(
        self, manifest: Manifest, shots: pa.Table, quarantined: Sequence[Quarantined], links: Links = UNLINKED
    ) -> None:
        """Make a batch exist: its shots, quarantined rows and links, and last, in one atomic write, its manifest.

        Shots have an `_id`, unique among those that stand. The caller holds `exclusive(INGEST)`. Raises
        StoreError when the batch id is committed already, or the links don't fit the manifest, and ConflictError when
        another process wrote meanwhile. In any case, the batch is seen as a whole or not at all.
        """
        ...

    def stored(
        self, batch_id: str, days: Collection[str] | None = None, columns: Sequence[str] | None = None
    ) -> tuple[pa.Table, Links]:
        """All shots that a commit stored, whether they stand or not, or those of some days; and all its links.

        Raises StoreError when there is no such batch.
        """
        ...

    def manifests(self) -> list[Manifest]:
        """Committed batches in the order of their commit."""
        ...

    def scan(
        self,
        columns: Sequence[str] | None = None,
        since: str | None = None,
        until: str | None = None,
        *,
        days: Collection[str] | None = None,
        batch: str | None = None,
    ) -> Iterator[pa.Table]:
        """Shots of committed batches that stand, unordered, in pieces no larger than a batch.

        So the lake needn't fit into memory. Only game days from `since` to `until` (ISO dates, inclusive), or only the
        given `days`; with `batch`, only the shots that it inserted.
        """
        ...

    def lake(
        self,
        columns: Sequence[str] | None = None,
        since: str | None = None,
        until: str | None = None,
        *,
        days: Collection[str] | None = None,
        batch: str | None = None,
    ) -> pa.Table:
        """What `scan` finds as one table, which has no columns when nothing was found."""
        import pyarrow as pa  # noqa: PLC0415 - the service opens a store without Arrow

        pieces = list(self.scan(columns, since, until, days=days, batch=batch))
        return pa.concat_tables(pieces, promote_options="permissive") if pieces else pa.table({})

    def find_shots(self, query: ShotQuery, limit: int, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """The first `limit` shots that stand and match a query, newest first by game date and `_id`.

        With the given columns, by default `_id` and those of the contract; None stands for a column that a shot doesn't
        have. For small results: it makes an object of each shot, but needs no pyarrow, so that the service can use it.
        """
        ...

    def quarantine(self, batch_id: str | None = None) -> list[Quarantined]:
        """Quarantined rows of committed batches, by batch and row."""
        ...

    def record_failure(self, fingerprint: str, batch_id: str, error: str, rejected_by: str = "") -> Failure:
        """Count a failed attempt at a batch (see Failure); a commit of the same fingerprint deletes it."""
        ...

    def failures(self) -> list[Failure]:
        """Batches that failed and were not committed since."""
        ...

    # Warehouse and feature state

    def publish_warehouse(
        self,
        parts: Mapping[str, pa.Table],
        state: WarehouseState,
        feature_states: Mapping[str, FeatureStateRecord],
        grown: Mapping[str, pa.Table] = NOTHING,
    ) -> None:
        """Replace the given parts and feature states, and set the warehouse's state, in one atomic write.

        `grown` holds rows that follow those of a published part and are appended to it. All rows are sorted by `_id`.
        The caller holds `exclusive(WAREHOUSE)`.
        """
        ...

    def warehouse(
        self,
        columns: Sequence[str] | None = None,
        parts: Sequence[str] | None = None,
    ) -> pa.Table:
        """Feature rows of the given parts (all by default), by part and `_id`."""
        ...

    def warehouse_parts(self) -> dict[str, int]:
        """Rows of each published part; one without rows isn't named."""
        ...

    def warehouse_state(self) -> WarehouseState:
        """State of the published warehouse; an empty state before the first."""
        ...

    def get_feature_state(self, name: str = CURRENT_FEATURE_STATE) -> FeatureStateRecord | None:
        """The feature state kept under a name, or None."""
        ...

    def feature_state_names(self) -> list[str]:
        """Names under which feature states are kept, sorted."""
        ...

    def feature_state_stamp(self, name: str = CURRENT_FEATURE_STATE) -> str | None:
        """Stamp of the feature state kept under a name, without reading it."""
        ...

    # Verdicts

    def put_verdict(self, verdict: Verdict) -> None:
        """Append to the ledger."""
        ...

    def verdicts(self, candidate: int | None = None, limit: int | None = None) -> list[Verdict]:
        """The ledger, newest first."""
        ...
