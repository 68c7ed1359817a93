"""The service behind the routes: batches by cursor and by id, documents by counter."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec

from parivision_core.problems import PariVisionError
from parivision_serving.virtual_bets.announcements import AnnouncedBatch, Announcements
from parivision_serving.virtual_bets.clock import Clock, StateFile
from parivision_serving.virtual_bets.lead import Lead
from parivision_serving.virtual_bets.listed_batches import ListedBatches
from parivision_serving.virtual_bets.schemas import ListedBatch, Listing, Reset, Status
from parivision_serving.virtual_bets.settings import VirtualBetsSettings
from parivision_serving.virtual_bets.source import BatchSource, Document, Fault

KEPT = 8
"""Batches kept as bytes, about 0.7 MB each."""
OUTAGES = 2
"""Requests for a batch with an outage that fail after each start of the service."""


class UnknownBatchError(PariVisionError):
    """No batch of this id has been announced."""


class UnknownCursorError(PariVisionError):
    """A cursor that was never handed out."""


class OutageError(PariVisionError):
    """The scenario makes this request fail."""


class FeedService:
    """One source, for any number of clients and threads; a lock serves them one at a time."""

    def __init__(
        self,
        source: BatchSource,
        file: StateFile,
        settings: VirtualBetsSettings,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Go on from the saved state. Raises what `StateFile.load` raises."""
        self._source, self._file, self._settings = source, file, settings
        self._state = file.load(source.name)
        self._clock = Clock(self._state.days, settings.days_a_minute, now)
        self._announcements = Announcements(source)
        self._listed_batches = ListedBatches(settings.folder, source.name)
        self._contents: OrderedDict[int, bytes] = OrderedDict()
        self._open: tuple[int, list[Document]] = (0, [])
        """Cursor and documents of the batch that the counter has reached."""
        self._outages: Counter[int] = Counter()
        self._lead = Lead(settings.ahead_days, now)
        self._waits = False
        self._lock = threading.Lock()

    def listing(self, after: int, limit: int) -> Listing:
        """Batches with later cursors than `after`, at most `limit`. Reading the listing changes nothing.

        Raises UnknownCursorError for a cursor beyond the newest: it comes from another source, and its client would
        wait for ever and miss what was announced meanwhile.
        """
        with self._lock:
            announced = self._announced()
            if after > len(announced):
                raise UnknownCursorError(
                    f"cursor {after} was never handed out, the newest is {len(announced)}; begin again at 0"
                )
            found = [self._listed(batch) for batch in announced[after : after + limit]]
            return Listing(source=self._source.name, batches=found, next=after + len(found), newest=len(announced))

    def content(self, batch_id: str) -> tuple[bytes, str]:
        """The bytes of a batch and their fingerprint, always the same.

        Raises UnknownBatchError for a batch that isn't announced (yet), OutageError when the scenario makes it fail.
        """
        with self._lock:
            self._announced()
            batch = self._announcements.by_id.get(batch_id)
            if batch is None:
                raise UnknownBatchError(f"no batch {batch_id!r} has been announced; GET /batches lists those that are")
            if batch.offer.fault is Fault.OUTAGE and self._outages[batch.cursor] < OUTAGES:
                self._outages[batch.cursor] += 1
                raise OutageError(f"batch {batch_id} can't be read at the moment, so the scenario wants it; ask again")
            self._lead.read(batch.cursor)
            return self._bytes(batch), self._listed(batch).fingerprint

    def take(self, n: int) -> list[Document]:
        """The next n documents in the order of the announcements, or as many as there are.

        The counter is on disk before this returns: a client that never gets the answer has lost these documents.
        """
        with self._lock:
            announced = self._announced()
            cursor, offset = self._state.batch, self._state.offset
            taken: list[Document] = []
            while len(taken) < n and cursor < len(announced):
                documents = self._documents(announced[cursor])
                part = documents[offset : offset + n - len(taken)]
                taken += part
                offset += len(part)
                if offset == len(documents):
                    cursor, offset = cursor + 1, 0
            counts = {"counter": self._state.counter + len(taken), "served": self._state.served + len(taken)}
            self._save(batch=cursor, offset=offset, **counts)
            return taken

    def reset(self) -> Reset:
        """Make `take` begin at the first document again."""
        with self._lock:
            self._save(batch=0, offset=0, counter=0)
            return Reset()

    def status(self) -> Status:
        """How far the source has been played, and whether time stands still."""
        with self._lock:
            announced = self._announced()
            return Status(
                source=self._source.name,
                scenario=self._settings.scenario,
                seed=self._settings.seed,
                days_a_minute=self._settings.days_a_minute,
                today=self._announcements.today(int(self._state.days)),
                season=announced[-1].season + 1,
                waits=self._waits,
                finished=self._announcements.finished,
                batches=len(announced),
                counter=self._state.counter,
                documents_served=self._state.served,
            )

    def close(self) -> None:
        """Save the time that has passed, and let another process use the folder."""
        with self._lock:
            try:
                self._save()
            finally:
                self._file.close()

    def _announced(self) -> list[AnnouncedBatch]:
        days, most = self._clock.days, self._lead.most_days(self._announcements)
        self._waits = days >= most
        if self._waits:
            days = max(most, self._state.days)  # what was announced once isn't taken back
            self._clock.hold(days)
        # On disk before any client sees it, so that no crash takes a batch back.
        if int(days) > int(self._state.days):
            self._save()
        self._announcements.advance(int(self._state.days))
        return self._announcements.all

    def _save(self, **changes: Any) -> None:
        state = msgspec.structs.replace(self._state, days=self._clock.days, **changes)
        self._file.save(state)
        self._state = state

    def _documents(self, batch: AnnouncedBatch) -> list[Document]:
        if self._open[0] != batch.cursor:
            self._open = batch.cursor, self._source.documents(batch.season, batch.offer)
        return self._open[1]

    def _listed(self, batch: AnnouncedBatch) -> ListedBatch:
        listed = self._listed_batches.get(batch.cursor)
        if listed is None:
            listed = ListedBatch(
                id=batch.offer.id,
                cursor=batch.cursor,
                fingerprint=hashlib.sha256(self._bytes(batch)).hexdigest(),
                rows=self._source.rows(batch.season, batch.offer),
                first_date=batch.offer.date,
                last_date=batch.offer.date,
            )
            self._listed_batches.add(listed)
        return listed

    def _bytes(self, batch: AnnouncedBatch) -> bytes:
        if batch.cursor not in self._contents:
            content = msgspec.json.encode(self._source.documents(batch.season, batch.offer))
            garbled = batch.offer.fault is Fault.GARBLED
            self._contents[batch.cursor] = content[: len(content) // 2] if garbled else content
            while len(self._contents) > KEPT:
                self._contents.popitem(last=False)
        self._contents.move_to_end(batch.cursor)
        return self._contents[batch.cursor]
