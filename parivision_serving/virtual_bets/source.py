"""What VirtualBets hands out: seasons of batches, simulated or read from a file."""

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
    """At the end of which day of its season it can be had, counted from 0."""
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
    """Seasons, counted from 0: each answer depends on the world and the arguments alone. For one thread at a time."""

    world: str
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
