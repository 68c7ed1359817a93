"""The VirtualBets feed over HTTP: batches are listed by cursor, and each is checked against its listed sha256."""

from __future__ import annotations

import hashlib
import io
import threading
import time
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Annotated

import httpx
import msgspec

from parivision_assets.feeds.base import Batch, RawBatch, batch_id
from parivision_assets.feeds.formats import take
from parivision_core.problems import BatchError, FeedError
from parivision_core.settings import VIRTUAL_BETS, without_login

PAGE = 500
"""Batches per request to the listing."""
ANSWER_SECONDS = 25.0
"""Within which an answer must be complete. For the first listing the service simulates a season, which takes seconds;
the sensor that requests it may take 60."""
LARGEST_ANSWER = 64 * 2**20
TRIES = 3
PAUSE_SECONDS = 0.5
REST_SECONDS = 30.0


class SilentError(FeedError):
    """The service doesn't answer, or not completely."""


class Listed(msgspec.Struct, frozen=True):
    """A batch as the service lists it."""

    id: str
    fingerprint: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    rows: int


class ListingPage(msgspec.Struct, frozen=True):
    """One answer to GET /batches."""

    source: str
    batches: list[Listed]
    next: int
    newest: int


class VirtualBetsFeed:
    """Offers the batches that a VirtualBets service has announced."""

    name = VIRTUAL_BETS

    def __init__(self, url: str) -> None:
        self._remote = _remote(url)

    def batches(self) -> list[Batch]:
        """Every batch announced so far, in the order of the announcements.

        Raises FeedError when the service is down, slow, or isn't VirtualBets.
        """
        return [
            Batch(
                batch_id(listed.id, listed.fingerprint),
                listed.fingerprint,
                self.name,
                f"{self._remote.url}/batches/{listed.id}",
                partial(self._read, listed),
            )
            for listed in self._remote.listing()
        ]

    def ignored(self) -> str:
        """See Feed: the service lists nothing else."""
        return ""

    def _read(self, listed: Listed) -> RawBatch:
        content = self._remote.content(listed)
        batch = take(listed.id, ".json", io.BytesIO(content), len(content)).read()
        found = len(batch.rows) + len(batch.broken)
        if found != listed.rows:
            raise BatchError(f"{listed.id} is listed with {listed.rows:,} documents but holds {found:,}")
        return batch


class _Remote:
    """One service, with the part of its listing that is known already: a season has 170 batches and is listed often."""

    def __init__(self, url: str) -> None:
        self.url = without_login(url)
        """As shown in messages."""
        self._http = httpx.Client(base_url=url, timeout=httpx.Timeout(ANSWER_SECONDS, connect=2.0))
        self._lock = threading.Lock()
        self._source = ""
        self._cursor = 0
        self._known: list[Listed] = []
        self._silence: tuple[float, str] = (0.0, "")
        """Until when no batch is requested, and why."""

    def listing(self) -> list[Listed]:
        """The announced batches; only those after the last known one are requested.

        A service that went back in time, or serves another source, is listed anew from its beginning: what the lake
        holds already is recognised by its fingerprint.
        """
        with self._lock:
            page = self._page(self._cursor)
            if page is None or page.source != self._source:
                self._source, self._known, self._cursor = page.source if page else "", [], 0
                page = self._page(0)
            while page is not None:
                if page.next != self._cursor + len(page.batches) or (page.next < page.newest and not page.batches):
                    break
                self._known += page.batches
                self._cursor = page.next
                if page.next >= page.newest:
                    self._source = page.source
                    return list(self._known)
                page = self._page(self._cursor)
            self._source = ""  # the next call starts over
            raise FeedError(f"{self.url} lists its batches wrongly: its cursor doesn't count them")

    def content(self, listed: Listed) -> bytes:
        """The bytes of a batch; a failed request is repeated after a short pause.

        Raises FeedError when they can't be fetched, or aren't those that were listed. When the service didn't answer
        any of the requests, it isn't asked for a while: a season of batches that each wait for it would take an hour.
        """
        until, why = self._silence
        if time.monotonic() < until:
            raise FeedError(why)
        for pause in (PAUSE_SECONDS * 2**tried for tried in range(TRIES - 1)):
            try:
                return self._listed_bytes(listed)
            except FeedError:
                time.sleep(pause)
        try:
            return self._listed_bytes(listed)
        except SilentError as error:
            self._silence = (time.monotonic() + REST_SECONDS, str(error))
            raise

    def _listed_bytes(self, listed: Listed) -> bytes:
        status, content = self._get(f"/batches/{listed.id}")
        if status != HTTPStatus.OK:
            raise FeedError(f"{self.url} answers {status} to the request for {listed.id}: {_text(content)}")
        if hashlib.sha256(content).hexdigest() != listed.fingerprint:
            raise FeedError(f"{self.url} delivers other bytes for {listed.id} than it has listed")
        return content

    def _page(self, after: int) -> ListingPage | None:
        """The listing after a cursor; None when the service doesn't know the cursor."""
        status, content = self._get("/batches", after=after, limit=PAGE)
        if status == HTTPStatus.UNPROCESSABLE_ENTITY and after:
            return None
        if status != HTTPStatus.OK:
            raise FeedError(f"{self.url} answers {status} to the request for its batches: {_text(content)}")
        try:
            return msgspec.json.decode(content, type=ListingPage)
        except msgspec.DecodeError as error:
            raise FeedError(f"what answers at {self.url} is not VirtualBets ({error})") from error

    def _get(self, route: str, **query: int) -> tuple[int, bytes]:
        """Status and body. httpx limits the time for each piece of an answer only, so the whole is limited here."""
        give_up, body = time.monotonic() + ANSWER_SECONDS, bytearray()
        try:
            with self._http.stream("GET", route, params=query) as answer:
                for piece in answer.iter_bytes():
                    body += piece
                    if time.monotonic() > give_up:
                        raise SilentError(f"{self.url} is too slow: no whole answer within {ANSWER_SECONDS:g} seconds")
                    if len(body) > LARGEST_ANSWER:
                        raise FeedError(f"{self.url} answers {route} with more than {LARGEST_ANSWER >> 20} MB")
                return answer.status_code, bytes(body)
        except httpx.TimeoutException as error:
            raise SilentError(f"{self.url} is too slow: no answer within {ANSWER_SECONDS:g} seconds") from error
        except httpx.HTTPError as error:
            raise SilentError(f"VirtualBets doesn't answer at {self.url} ({error}); is it running?") from error


@lru_cache
def _remote(url: str) -> _Remote:
    return _Remote(url)


def _text(content: bytes) -> str:
    return content[:200].decode(errors="replace")
