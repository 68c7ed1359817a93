"""What a prediction log of predictions must do, whatever it is made of, and the records that it keeps."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

OutcomeSource = Literal["caller", "lake"]
READ_BYTES = 16 * 1024 * 1024
"""A read of many calls ends with the one that brings it over this size."""
DAY = len("2023-10-24")
"""Characters of the ISO date that a shot key begins with."""


class Call(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One answered request, for one shot or for many.

    The prediction of a single shot is named by the call's id, the i-th of a batch by `<id>:<i>`, counted from 0.
    """

    id: str
    """UUIDv7, see ids."""
    content: Literal["shot", "rows", "arrow"]
    """What the request is: one JSON object, a JSON array of such objects, or an Arrow IPC stream."""
    request: bytes
    """The body as it came."""
    probability: bytes
    """Little-endian float64 (n,), in the order of the shots; NaN where a row was refused."""
    schema: str
    """Feature schema of the model that answered."""
    features: bytes = b""
    """Little-endian float32 (k,) and, last, the offset: what a single shot was predicted from. Empty for batches, whose
    features would be a hundred times their requests."""
    champion_version: int
    champion_sha256: str
    feature_state_stamp: str
    latency_us: int
    """Microseconds from the request's arrival to its answer."""
    caller: str
    """Name of the API key; empty without one."""
    awaited: tuple[tuple[int, str], ...] = ()
    """Row (0 for a single shot) and key (see `Sport.shot_key`) of each shot whose outcome the lake may tell one day."""

    @property
    def size(self) -> int:
        """Bytes of what was asked and answered."""
        return len(self.request) + len(self.probability) + len(self.features)

    @property
    def rows(self) -> int:
        """Shots that were asked about."""
        return len(self.probability) // 8


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a predicted shot."""

    made: bool
    source: OutcomeSource
    reported_at: int
    """Milliseconds since 1970."""


class PredictionLog(Protocol):
    """Every prediction that was answered, in the order of their ids, which is that of time.

    Each method raises StoreError, naming what to do, when the prediction log can't be reached, read or written. All are safe
    to call from several threads and processes at once.
    """

    def append(self, calls: Sequence[Call]) -> None:
        """Keep calls so that all of them survive a crash of the machine once this returns.

        Each is kept as a whole or not at all. Ids known already are passed over, so that an append whose success is in
        doubt may be repeated.
        """
        ...

    def calls(self, *, before: str | None = None, since: str | None = None, limit: int) -> list[Call]:
        """At most `limit` calls, newest first, with ids below `before` and not below `since`; without `awaited`.

        They come back fewer when they are large (see READ_BYTES), but none only where there is none.
        """
        ...

    def call(self, call_id: str) -> Call | None:
        """One call, or None."""
        ...

    def delete(self, call_id: str, row: int | None = None) -> bool:
        """Forget a call, or one row of a batch, with its outcome; False if there was no such thing.

        A row is never shown again; the body that brought it goes with the batch, when that is deleted or pruned.
        """
        ...

    def deleted(self, call_ids: Collection[str]) -> dict[str, set[int]]:
        """Rows of these batches that were deleted."""
        ...

    def put_outcomes(self, outcomes: Mapping[str, Outcome]) -> None:
        """Note what came of predictions, by their name; what the lake tells overrides what a caller said.

        A prediction that the lake has told of isn't awaited any more; one that isn't in the prediction log is passed over.
        """
        ...

    def outcomes(self, predictions: Collection[str]) -> dict[str, Outcome]:
        """Known outcomes by prediction name."""
        ...

    def awaiting(self, keys: Iterable[str]) -> dict[str, list[str]]:
        """Shot key -> names of the predictions that wait for its outcome from the lake."""
        ...

    def awaited_days(self) -> dict[str, str]:
        """ISO date of each day of which predictions await a shot -> a stamp that changes when more begin to wait.

        Cheap enough to be asked every few seconds, however many wait.
        """
        ...

    def prune(self, before: str, limit: int) -> int:
        """Forget the oldest calls, at most `limit`, with ids below `before`, with all that belongs to them.

        Returns how many they were; repeat it until they are fewer than `limit`.
        """
        ...

    def close(self) -> None:
        """Release connections."""
        ...
