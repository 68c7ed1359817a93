"""What VirtualBets serves: seasons of batches, simulated or read from a file."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

Document = dict[str, str]


class Fault(StrEnum):
    """What is wrong with a batch."""

    DOCUMENTS = "some documents break the contract"
    CUT = "the last third of the documents is missing"
    GARBLED = "the bytes are no JSON"
    OUTAGE = "the first two requests fail"


@dataclass(frozen=True)
class Offer:
    """A batch: the documents of one day."""

    id: str
    date: dt.date
    announced: int
    """Day of its season, counted from 0, at whose end it is announced."""
    fault: Fault | None = None


@dataclass(frozen=True)
class Plan:
    """What is known of a season before it is played."""

    first: dt.date
    days: int
    """From the first day to the last, both counted."""
    offers: list[Offer]
    """In the order of their announcement."""


class BatchSource(Protocol):
    """Seasons, counted from 0. Equal names and arguments give equal answers. For one thread at a time."""

    name: str
    """Names all that the content depends on."""
    seasons: int

    def plan(self, season: int) -> Plan:
        """The batches of a season."""
        ...

    def rows(self, season: int, offer: Offer) -> int:
        """How many documents a batch should have."""
        ...

    def documents(self, season: int, offer: Offer) -> list[Document]:
        """The documents that it has."""
        ...
