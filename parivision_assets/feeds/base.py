"""What every feed provides: batches, each with an id and a content fingerprint."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from parivision_core.problems import FeedError

if TYPE_CHECKING:
    import pyarrow as pa


Grain = Literal["line", "element", "content"]
"""What of a text is a row: a line, an element of a list, or all of it."""


@dataclass(frozen=True)
class BrokenRow:
    """A row that can't be read as a document at all."""

    row: int
    """Number of the row in its batch, from 1, not counting the header."""
    reason: str
    text: str


@dataclass(frozen=True)
class RawBatch:
    """A batch as it was delivered: text columns (a missing value is empty text), and the rows that couldn't be read."""

    table: pa.Table
    rows: list[int]
    """Number of each of the table's rows in the batch."""
    broken: list[BrokenRow] = field(default_factory=list)
    documents: list[str] | None = None
    """JSON text of each of the table's rows, for a source whose rows hold more than their text columns."""
    known: Mapping[str, str | int | float] | None = None
    """What was inferred from the batch that these rows were taken from; None when it has to be inferred from them."""
    grain: Grain = "line"
    """What the reader took for a row; the count takes the same."""
    counted: int | None = None
    """Rows of the content by a count that shares no code with the reader; None before they were counted."""
    passed_over: str = ""
    """Names of an archive's members that were not read, for people."""


@dataclass(frozen=True)
class Batch:
    """What a feed delivers at once, not read yet."""

    id: str
    fingerprint: str
    """sha256 of the content."""
    feed: str
    source: str
    read: Callable[[], RawBatch]
    """Raises BatchError when the content can't be used, FeedError when it can't be fetched at the moment."""
    resolves: tuple[tuple[str, int], ...] = ()
    """Quarantined rows, by batch id and row number, of which this batch holds the corrections."""
    corrects: tuple[tuple[str, int], ...] = ()
    """Stored rows, by batch id and row number, that this batch corrects: its row i + 1 the one at position i."""


class Feed(Protocol):
    """A source of batches."""

    name: str

    def batches(self) -> list[Batch]:
        """Every batch on offer now, committed or not, in an order that stays the same.

        Raises FeedError when the source can't be read.
        """
        ...

    def ignored(self) -> str:
        """A message that names what lies in the source and is never offered; empty without any.

        After `batches`, what that has seen: the source isn't looked at again.

        Raises FeedError when the source can't be read.
        """
        ...


@dataclass(frozen=True)
class Offers:
    """The batches of several feeds."""

    batches: list[Batch]
    """Feed by feed."""
    problems: dict[str, str]
    """Feeds that couldn't be read, with the reason; the others are used all the same."""
    ignored: dict[str, str]
    """Feeds with something that is never offered, with a message that names it."""


def collect_offers(feeds: Iterable[Feed]) -> Offers:
    """The batches of every feed; a feed that can't be read becomes a problem and doesn't stop the others."""
    batches: list[Batch] = []
    problems: dict[str, str] = {}
    ignored: dict[str, str] = {}
    for feed in feeds:
        try:
            batches += feed.batches()
            if message := feed.ignored():
                ignored[feed.name] = message
        except FeedError as error:
            problems[feed.name] = str(error)
    return Offers(batches, problems, ignored)


def batch_id(name: str, fingerprint: str) -> str:
    """Id of a batch from its source's name for it: valid in file names and partition keys, unique to its content."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:60]
    return f"{slug or 'batch'}-{fingerprint[:8]}"
