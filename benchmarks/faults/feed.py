"""A feed over HTTP that is down, slow, cut off or answers what it shouldn't: it is named, and the inbox goes on.

Once it is well again, all that it has announced comes in, once.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from unittest import mock

from benchmarks.faults import shared
from benchmarks.faults.outcome import Outcome
from benchmarks.faults.table import Inject, fault
from parivision_assets.feeds import virtual_bets
from parivision_assets.feeds.base import Offers, collect_offers
from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.feeds.virtual_bets import VirtualBetsFeed
from parivision_assets.steps.feed.ingesting import ingest, waiting
from parivision_core.nba.shots import NBA
from parivision_core.problems import PariVisionError
from parivision_core.store.base import Store
from tests.helpers import shots

ROWS = 60
"""Of the inbox's file and of each of the two batches."""
ANSWER_SECONDS = 0.3
TIMES = 3

LISTING, BATCH = "/batches?", "/batches/"
Answer = Callable[[bytes, Random], bytes | None]
"""Changes the bytes of an answer, headers and all; None closes the connection."""


class SmallService:
    """Two batches of a day each, behind the routes that the feed uses."""

    def __init__(self, seed: int) -> None:
        days = {f"2022-11-0{n + 1}": shots.season(games=1, seed=seed + n, start=f"2022-11-0{n + 1}") for n in range(2)}
        self._batches = {day: shots.as_kaggle(frame).to_json(orient="records").encode() for day, frame in days.items()}
        self.drawn = Random(seed)
        self.broken = ""
        """Beginning of the paths whose answers are changed."""
        self.change: Answer | None = None
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = service.answer(self.path)
                head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
                with suppress(OSError):
                    self.connection.sendall(service.changed(self.path, head + body))
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, path: str) -> bytes:
        """The sound answer."""
        if path.startswith(BATCH):
            return self._batches[path.removeprefix(BATCH)]
        after = int(path.partition("after=")[2].partition("&")[0])
        listed = [
            {"id": day, "fingerprint": hashlib.sha256(content).hexdigest(), "rows": ROWS}
            for day, content in list(self._batches.items())[after:]
        ]
        return json.dumps({"source": "small", "batches": listed, "next": 2, "newest": 2}).encode()

    def changed(self, path: str, answer: bytes) -> bytes:
        """The answer that is sent."""
        if self.change is None or not path.startswith(self.broken):
            return answer
        return self.change(answer, self.drawn) or b""


def status(code: int) -> Answer:
    """An error in place of the answer."""
    return lambda _, __: b"HTTP/1.1 %d Problem\r\ncontent-length: 6\r\nconnection: close\r\n\r\nbroken" % code


def late(answer: bytes, _: Random) -> bytes:
    """The answer, too late."""
    time.sleep(2 * ANSWER_SECONDS)
    return answer


def cut(answer: bytes, drawn: Random) -> bytes:
    """The beginning of the answer."""
    return answer[: drawn.randrange(120, len(answer) - 1)]


def garbled(answer: bytes, drawn: Random) -> bytes:
    """One byte of the body is another."""
    place = drawn.randrange(answer.index(b"\r\n\r\n") + 4, len(answer))
    return answer[:place] + bytes((answer[place] ^ 1 << drawn.randrange(7),)) + answer[place + 1 :]


def other(_: bytes, __: Random) -> bytes:
    """The page of another program."""
    return b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\nconnection: close\r\n\r\n<html></html>"


KINDS: dict[str, tuple[str, Answer]] = {
    "the feed closes every connection": ("/", lambda _, __: None),
    "the feed answers 500": (LISTING, status(500)),
    "the feed is too slow": (LISTING, late),
    "another program answers in the feed's place": (LISTING, other),
    "the feed's listing is cut off": (LISTING, cut),
    "a batch of the feed is cut off": (BATCH, cut),
    "a batch of the feed is garbled": (BATCH, garbled),
    "a batch of the feed answers 503": (BATCH, status(503)),
}
"""Name -> which answers are changed, and how."""


@contextmanager
def small_service(seed: int) -> Iterator[SmallService]:
    """A service, while the feed waits for it for a short time only."""
    service = SmallService(seed)
    with mock.patch.multiple(virtual_bets, ANSWER_SECONDS=ANSWER_SECONDS, PAUSE_SECONDS=0.01, REST_SECONDS=0.0):
        yield service
        service.server.shutdown()
        service.server.server_close()


def ingest_offers(url: str, inbox: Path, store: Store) -> list[str]:
    """Ingest what both feeds offer, as a run does; what was said of what couldn't be."""
    offers: Offers = collect_offers([VirtualBetsFeed(url), InboxFeed(inbox, 0)])
    said = [*offers.problems.values()]
    for batch in waiting(offers.batches, store):
        try:
            ingest(batch, NBA, store)
        except PariVisionError as error:
            said.append(str(error))
    return said


def broken(path: str, change: Answer) -> Inject:
    """Change some answers, ingest, let it answer as it should, and ingest again."""

    def inject(folder: Path, seed: int) -> Outcome:
        store = shared.store_of(folder)
        inbox = shared.season_file(folder / "inbox" / "a.csv", seed=seed).parent
        with small_service(seed) as service:
            service.broken, service.change = path, change
            said = ingest_offers(service.url, inbox, store)
            beside = len(store.manifests())
            service.change = None
            again = ingest_offers(service.url, inbox, store)
        reported = any(service.url in line for line in said) and not again and beside == 1
        return shared.balanced(store, 3 * ROWS, reported=reported, note="" if reported else f"{said} {again} {beside}")

    return inject


@fault(TIMES)
def the_feed_is_down(folder: Path, seed: int) -> Outcome:
    """Nothing listens; later something does."""
    store, inbox = shared.store_of(folder), shared.season_file(folder / "inbox" / "a.csv", seed=seed).parent
    with small_service(seed) as service:
        service.server.shutdown()
        service.server.server_close()
        said = ingest_offers(service.url, inbox, store)
        reported = any(service.url in line for line in said) and len(store.manifests()) == 1
    return shared.balanced(store, ROWS, reported=reported, note="" if reported else str(said))


for _name, (_path, _change) in KINDS.items():
    fault(TIMES, _name)(broken(_path, _change))
