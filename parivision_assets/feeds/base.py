"""What a feed is: something that offers batches, each with an id and a content fingerprint."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from parivision_core.problems import FeedError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class BrokenRow:
    """A row that isn't even a document of its source's layout."""

    row: int
    """Number of the row in its batch, counted from 1 without the header."""
    reason: str
    text: str


@dataclass(frozen=True)
class RawBatch:
    """A batch as it came: text columns (a missing value is empty text), and the rows that don't fit into them."""

    table: pa.Table
    rows: list[int]
    """Number of each of the table's rows in the batch."""
    broken: list[BrokenRow] = field(default_factory=list)
    documents: list[str] | None = None
    """JSON text of each of the table's rows, for a source whose rows hold more than their text columns tell."""
    known: Mapping[str, str | int | float] | None = None
    """What was inferred of the batch that these rows were taken out of; None for rows that have to show it."""


@dataclass(frozen=True)
class Batch:
    """What a feed hands over at once, not read yet."""

    id: str
    fingerprint: str
    """sha256 of the content."""
    feed: str
    source: str
    read: Callable[[], RawBatch]
    """Raises BatchError when the content can't be used, FeedError when it can't be had at the moment."""
    resolves: tuple[tuple[str, int], ...] = ()
    """Quarantined rows, by batch id and number, that this batch brings corrected."""


class Feed(Protocol):
    """A source of batches."""

    name: str

    def batches(self) -> list[Batch]:
        """Every batch on offer now, committed or not, in an order that stays the same.

        Raises FeedError when it can't say.
        """
        ...


@dataclass(frozen=True)
class Offers:
    """What several feeds have on offer."""

    batches: list[Batch]
    """Feed by feed."""
    problems: dict[str, str]
    """Feeds that couldn't be asked, with the reason: they don't keep the others from being used."""


def ask(feeds: Iterable[Feed]) -> Offers:
    """Ask every feed for its batches; one that is down or talks nonsense is noted and passed over."""
    batches: list[Batch] = []
    problems: dict[str, str] = {}
    for feed in feeds:
        try:
            batches += feed.batches()
        except FeedError as error:
            problems[feed.name] = str(error)
    return Offers(batches, problems)


def batch_id(name: str, fingerprint: str) -> str:
    """Id of a batch from its source's name for it: fit for file names and partition keys, and of this content alone."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:60]
    return f"{slug or 'batch'}-{fingerprint[:8]}"
