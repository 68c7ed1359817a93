"""The interface of every kind of prediction log, and the records that it keeps."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

OutcomeSource = Literal["caller", "lake"]
READ_BYTES = 16 * 1024 * 1024
"""A read of many calls ends with the call that exceeds this size."""
DAY_LENGTH = len("2023-10-24")
"""Characters of the ISO date that a shot key begins with."""


class Call(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One answered request, for a single shot or in bulk.

    The name of a single shot's prediction is the call's id, that of a bulk request's row `<id>:<row>`, counted from 0.
    """

    id: str
    """UUIDv7, see `ids`."""
    content: Literal["shot", "rows", "arrow"]
    """What the request is: one JSON object, a JSON array of such objects, or an Arrow IPC stream."""
    request: bytes
    """The body as it came."""
    probability: bytes
    """Little-endian float64 (n,), in the order of the shots; NaN where a row was refused."""
    schema: str
    """Feature schema of the champion that answered."""
    features: bytes = b""
    """Little-endian float32 (k + 1,): features and, last, offset of a single shot. Empty for bulk requests, where they
    would take a hundred times the size of the request."""
    champion_version: int
    champion_sha256: str
    feature_state_stamp: str
    latency_us: int
    """Microseconds from the request's arrival to its answer."""
    caller: str
    """Name of the API key; empty without one."""
    awaited: tuple[tuple[int, str], ...] = ()
    """Row (0 for a single shot) and key (see `Sport.shot_key`) of each shot whose outcome the lake may report later."""

    @property
    def size(self) -> int:
        """Bytes of request and answer."""
        return len(self.request) + len(self.probability) + len(self.features)

    @property
    def rows(self) -> int:
        """Shots in the request."""
        return len(self.probability) // 8


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a predicted shot."""

    made: bool
    source: OutcomeSource
    reported_at: int
    """Milliseconds since 1970."""


class PredictionLog(Protocol):
    """Every answered prediction, in the order of the calls' ids, which is that of time.

    Each method raises StoreError, naming what to do, when the prediction log can't be reached, read or written. All are
    safe to call from several threads and processes at once.
    """

    def append(self, calls: Sequence[Call]) -> None:
        """Write calls; once this returns, all of them survive a crash of the machine.

        Each is kept as a whole or not at all. Calls whose ids are there already are skipped, so that an append whose
        success is unknown can be repeated.
        """
        ...

    def calls(self, *, before: str | None = None, since: str | None = None, limit: int) -> list[Call]:
        """At most `limit` calls, newest first, with ids below `before` and not below `since`; without `awaited`.

        Fewer when they are large (see READ_BYTES), but none only when there are none.
        """
        ...

    def call(self, call_id: str) -> Call | None:
        """One call, or None."""
        ...

    def delete(self, call_id: str, row: int | None = None) -> bool:
        """Delete a call, or one row of a bulk request, with its outcome; False if it doesn't exist.

        A deleted row is never shown again; the request that holds it goes when the whole call is deleted or pruned.
        """
        ...

    def deleted(self, call_ids: Collection[str]) -> dict[str, set[int]]:
        """Deleted rows of these bulk requests."""
        ...

    def put_outcomes(self, outcomes: Mapping[str, Outcome]) -> None:
        """Write outcomes by prediction name; an outcome from the lake overrides one that a caller reported.

        A prediction with an outcome from the lake isn't awaited any more, but settled; names that aren't in the log are
        skipped.
        """
        ...

    def reopen(self, predictions: Collection[str]) -> None:
        """Take the outcomes of settled predictions back, because the lake doesn't hold their shots any more."""
        ...

    def outcomes(self, predictions: Collection[str]) -> dict[str, Outcome]:
        """Known outcomes by prediction name."""
        ...

    def awaiting(self, keys: Iterable[str]) -> dict[str, list[str]]:
        """Shot key -> names of the predictions that wait for its outcome from the lake."""
        ...

    def awaited_days(self) -> dict[str, str]:
        """ISO date of each day with awaited shots -> a stamp that changes when more of them are awaited.

        Cheap enough to be called every few seconds, however many are awaited.
        """
        ...

    def settled_days(self) -> list[str]:
        """ISO dates of the days with shots whose outcome the lake reported; as cheap as `awaited_days`."""
        ...

    def settled(self, day: str) -> dict[str, list[str]]:
        """Shot key -> names of the settled predictions, of one day; not of those settled by an earlier version."""
        ...

    def prune(self, before: str, limit: int) -> int:
        """Delete the oldest calls, at most `limit`, with ids below `before`, and everything that belongs to them.

        Returns how many were deleted; repeat it until they are fewer than `limit`.
        """
        ...

    def check(self) -> None:
        """Look for damage before anything is written. Raises StoreError naming it and the way out."""

    def close(self) -> None:
        """Release connections."""
        ...
