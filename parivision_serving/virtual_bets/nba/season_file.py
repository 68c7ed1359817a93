"""A season file as a source: its days as batches, in the order of the calendar."""

from __future__ import annotations

import datetime as dt
import hashlib
import zlib
from collections import Counter, defaultdict
from pathlib import Path

import msgspec

from parivision_serving.virtual_bets.nba.table import SeasonTable
from parivision_serving.virtual_bets.nba.translation import dated_documents
from parivision_serving.virtual_bets.source import Document, Offer, Plan

AT_ONCE = 50_000
"""Documents held in plain text while the file is read."""


class SeasonFile:
    """The days of a file, compressed to some 10 MB a season."""

    def __init__(self, path: Path) -> None:
        """Raise BatchError when the file holds no shots in a known layout, OSError when it can't be read."""
        self._rows: Counter[dt.date] = Counter()
        self._compressed: dict[dt.date, list[bytes]] = defaultdict(list)
        waiting: dict[dt.date, list[bytes]] = defaultdict(list)
        for i, (date, document) in enumerate(dated_documents(SeasonTable(path)), start=1):
            waiting[date].append(msgspec.json.encode(document))
            self._rows[date] += 1
            if i % AT_ONCE == 0:
                self._compress(waiting)
        self._compress(waiting)
        with path.open("rb") as file:
            self.name = f"file {hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
        seasons: dict[int, list[dt.date]] = defaultdict(list)
        for day in sorted(self._rows):
            seasons[day.year + (day.month >= 10)].append(day)  # as in the contract: a season begins in October
        self._seasons = list(seasons.values())
        self.seasons = len(self._seasons)

    def plan(self, season: int) -> Plan:
        """See BatchSource."""
        days = self._seasons[season]
        offers = [Offer(str(day), day, (day - days[0]).days) for day in days]
        return Plan(days[0], offers[-1].announced + 1, offers)

    def rows(self, season: int, offer: Offer) -> int:
        """See BatchSource."""
        return self._rows[offer.date]

    def documents(self, season: int, offer: Offer) -> list[Document]:
        """See BatchSource."""
        content = b",".join(zlib.decompress(piece) for piece in self._compressed[offer.date])
        documents: list[Document] = msgspec.json.decode(b"[" + content + b"]", type=list[Document])
        return documents

    def _compress(self, waiting: dict[dt.date, list[bytes]]) -> None:
        for date, documents in waiting.items():
            self._compressed[date].append(zlib.compress(b",".join(documents), 1))
        waiting.clear()
