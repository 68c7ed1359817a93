"""What a store must do, whatever it is made of. Tables travel as Arrow; forms and verdicts are read without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

import msgspec

from parivision_core.records import Failure, FormRecord, Manifest, Quarantined, Verdict

if TYPE_CHECKING:
    import pyarrow as pa

CURRENT_FORM = "current"


class WarehouseState(msgspec.Struct, frozen=True, kw_only=True):
    """What the published warehouse was folded from."""

    schema: str = ""
    base_fingerprint: str = ""
    form_stamp: str = ""
    batches: tuple[str, ...] = ()
    """Ids of the committed batches that are folded in."""
    rows: int = 0


class Store(Protocol):
    """Lake, warehouse, forms and verdicts of one sport.

    Readers see a batch only after its manifest, and a warehouse only together with the form it was folded with.
    """

    def exclusive(self, name: str, wait_seconds: float = 600) -> AbstractContextManager[None]:
        """Hold the named lock; no other process holds it meanwhile, and a dead process holds nothing.

        Raises StoreError naming the holder when it isn't free within `wait_seconds`.
        """
        ...

    # Lake

    def commit_batch(self, manifest: Manifest, shots: pa.Table, quarantined: Sequence[Quarantined]) -> None:
        """Make a batch exist: its shots (with `_id`), its quarantined rows and last, in one atomic write, its manifest.

        Raises StoreError when the batch id is committed already.
        """
        ...

    def manifests(self) -> list[Manifest]:
        """Committed batches in the order of their commit."""
        ...

    def lake(
        self, columns: Sequence[str] | None = None, since: str | None = None, until: str | None = None
    ) -> pa.Table:
        """Shots of committed batches, of game days from `since` to `until` (ISO dates, inclusive), in no order."""
        ...

    def quarantine(self, batch_id: str | None = None) -> list[Quarantined]:
        """Quarantined rows of committed batches, by batch and row."""
        ...

    def record_failure(self, fingerprint: str, batch_id: str, error: str) -> Failure:
        """Count a failed attempt at a batch; a commit of the same fingerprint wipes it."""
        ...

    def failures(self) -> list[Failure]:
        """Batches that failed and were not committed since."""
        ...

    # Warehouse and form

    def publish_warehouse(
        self, parts: Mapping[str, pa.Table], state: WarehouseState, forms: Mapping[str, FormRecord]
    ) -> None:
        """Replace the given parts of the warehouse and the given forms, and set its state, in one atomic write."""
        ...

    def warehouse(
        self,
        columns: Sequence[str] | None = None,
        parts: Sequence[str] | None = None,
    ) -> pa.Table:
        """Feature rows of the given parts (all by default)."""
        ...

    def warehouse_parts(self) -> dict[str, int]:
        """Rows of each published part."""
        ...

    def warehouse_state(self) -> WarehouseState:
        """State of the published warehouse; an empty state before the first."""
        ...

    def put_form(self, name: str, form: FormRecord) -> None:
        """Keep a form under a name."""
        ...

    def get_form(self, name: str = CURRENT_FORM) -> FormRecord | None:
        """The form kept under a name, or None."""
        ...

    def form_stamp(self, name: str = CURRENT_FORM) -> str | None:
        """Stamp of the form kept under a name, without reading it."""
        ...

    # Verdicts

    def put_verdict(self, verdict: Verdict) -> None:
        """Append to the ledger."""
        ...

    def verdicts(self, candidate: int | None = None, limit: int | None = None) -> list[Verdict]:
        """The ledger, newest first."""
        ...
