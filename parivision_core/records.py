"""The small records that services exchange through a store: manifests, links, quarantined rows, verdicts and so on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

import msgspec

PASSED_OVER = "passed_over"
"""Where a manifest's details name the members of an archive that weren't read."""

Decision = Literal["pass", "refuse", "not_yet"]


def now_ms() -> int:
    """Current time in milliseconds since 1970, as stores keep times."""
    return time.time_ns() // 1_000_000


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The record whose write makes a batch exist.

    `rows = inserted + duplicates + quarantined` always holds, and `rows = counted` where they were counted.
    """

    batch_id: str
    fingerprint: str
    """sha256 of the content as the feed delivered it."""
    feed: str
    source: str
    """Where the feed found it, for people to read (a file name, an address)."""
    rows: int
    inserted: int
    duplicates: int
    quarantined: int
    counted: int | None = None
    """Rows of the content by a count that shares no code with its reader; None in older manifests."""
    attempt: int
    layout: str
    details: dict[str, str | int | float] = {}
    """What the sport's layout inferred about the source, such as unit and hand, and what of an archive wasn't read."""
    first_date: str | None = None
    last_date: str | None = None
    """ISO dates of the first and last event among the inserted rows; None when nothing was inserted."""
    resolves: tuple[tuple[str, int], ...] = ()
    """Quarantined rows, by batch id and row number, that this batch delivers corrected."""
    corrects: tuple[tuple[str, int], ...] = ()
    """Stored rows, by batch id and row number, that a person corrects by this batch, row for row."""
    revised: int = 0
    """Of `inserted`: rows that took the place of an earlier record."""
    hidden: int = 0
    """Rows of earlier commits that don't stand any more since this one: revised or withdrawn. See Links."""
    kept: int | None = None
    """Of `duplicates`: rows that are stored although they never stood; None in older manifests, which have no links."""
    withdraws: tuple[str, ...] = ()
    """Ids of the batches that this commit withdraws; only such a commit stores rows of other batches."""
    changed_since: str | None = None
    changed_until: str | None = None
    """First and last day of a row that readers see or miss from now on; None if that is `first_date`, `last_date`."""
    committed_at: int = msgspec.field(default_factory=now_ms)

    def __post_init__(self) -> None:
        """Refuse a manifest that loses rows."""
        if self.rows != self.inserted + self.duplicates + self.quarantined:
            raise ValueError(
                f"batch {self.batch_id}: {self.rows} rows in, but {self.inserted} inserted + "
                f"{self.duplicates} duplicates + {self.quarantined} quarantined"
            )
        if self.counted not in (None, self.rows):
            raise ValueError(f"batch {self.batch_id}: {self.counted} rows were counted, but {self.rows} rows are in")

    @property
    def stored(self) -> int:
        """Rows that the commit stored, of which the kept ones never stood."""
        return self.inserted + (self.kept or 0)

    @property
    def added(self) -> int:
        """How many more shots readers see since this commit; negative when it hid more than it stored."""
        return self.inserted - self.hidden

    @property
    def changed(self) -> tuple[str, str] | None:
        """First and last day on which readers see other shots since this commit; None if it changed nothing."""
        since, until = self.changed_since or self.first_date, self.changed_until or self.last_date
        return None if since is None or until is None else (since, until)

    def overlaps(self, since: str | None, until: str | None) -> bool:
        """Whether any inserted row may be of a day from `since` to `until` (ISO dates, inclusive; None is open)."""
        if self.first_date is None or self.last_date is None:
            return False
        return (since is None or self.last_date >= since) and (until is None or self.first_date <= until)


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """How a commit's rows relate to stored ones. A row's address is its columns `batch_id` and `row`.

    A stored row doesn't stand, and readers don't see it, when a later commit hides its address; or when its own commit
    does, under its own id. So a commit may hide a row of another batch and store a copy of it that stands.
    """

    hides: dict[str, list[int]] = {}
    """Batch id -> its rows that no longer stand. Under the commit's own id: its kept rows, which never stood."""
    repeats: dict[str, list[tuple[int, int]]] = {}
    """Batch id -> pairs of a row there and a row of this batch that equals it, and therefore isn't stored again."""

    def kept(self, batch_id: str) -> int:
        """How many rows of its own the commit `batch_id` hides: the manifest's `kept`."""
        return len(self.hides.get(batch_id, ()))

    def hidden(self, batch_id: str) -> int:
        """How many rows of others the commit `batch_id` hides: the manifest's `hidden`."""
        return sum(map(len, self.hides.values())) - self.kept(batch_id)


def withdrawn(manifests: Sequence[Manifest]) -> dict[str, str]:
    """Ids of the batches that don't count any more -> that of the withdrawal that took each back.

    `manifests` are all of a lake, in the order of their commit. A withdrawal that was itself withdrawn took nothing.
    """
    gone: dict[str, str] = {}
    for manifest in reversed(manifests):
        if manifest.batch_id not in gone:
            gone |= dict.fromkeys(manifest.withdraws, manifest.batch_id)
    return gone


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """One row that breaks the contract, kept exactly as it came, with the reason."""

    batch_id: str
    row: int
    """Number of the row in its batch, counted from 1 without the header."""
    reason: str
    raw: str
    """The row as JSON text."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A batch that couldn't be ingested: the number of attempts and the latest error."""

    fingerprint: str
    batch_id: str
    attempts: int
    error: str
    rejected_by: str = ""
    """Version of the code that can't use this content and won't try it again; empty if another attempt may succeed."""
    failed_at: int = msgspec.field(default_factory=now_ms)


class FeatureStateRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A serialised feature state, with what the service needs to know before it pairs it with a bundle."""

    stamp: str
    """Digest of the content: feature states with the same stamp are equal."""
    schema: str
    base_fingerprint: str
    through: str | None
    """ISO date of the last day folded in."""
    shots: int
    payload: bytes


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The recorded comparison of one candidate with one expected champion at one epoch.

    Differences are log loss of the champion minus log loss of the candidate, per shot: positive is better.
    """

    candidate: int
    champion: int | None
    """Version of the expected champion; None when there was none and the baseline stood in for it."""
    epoch: int
    decision: Decision
    reason: str
    games: int
    shots: int
    candidate_log_loss: float | None = None
    champion_log_loss: float | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    margin: float
    level: float
    """Confidence level of the interval `gain_low .. gain_high`, over all looks together."""
    first_date: str | None = None
    last_date: str | None = None
    rule: str = ""
    """The gate that decided; empty in older verdicts."""
    tried: int | None = None
    """Its place among the candidates compared in this epoch, from 1; it stays the same at every look."""
    alpha: float | None = None
    """The chance of passing by luck that this place allows, over all looks together."""
    candidate_slope: float | None = None
    champion_slope: float | None = None
    candidate_ece: float | None = None
    champion_ece: float | None = None
    """Calibration on the same games; measured when the candidate would pass by log loss alone."""
    warehouse_shots: int | None = None
    """Shots in the whole warehouse, from which a later look knows how many are new."""
    sha256: str = ""
    """Digest of the candidate's bundle: a registry that has lost its models numbers the next ones from 1 again. Empty
    in older verdicts, and when the registry no longer has the version."""
    judged_at: int = msgspec.field(default_factory=now_ms)
