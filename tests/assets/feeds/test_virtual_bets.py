"""The VirtualBets feed: announced batches are offered once; a service that fails or isn't VirtualBets is reported."""

from __future__ import annotations

import hashlib
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvicorn

from parivision_assets.feeds import virtual_bets
from parivision_assets.feeds.base import collect_offers
from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.feeds.virtual_bets import VirtualBetsFeed
from parivision_assets.steps.feed.ingesting import ingest, rejected, waiting
from parivision_core.nba.shots import NBA
from parivision_core.problems import BatchError, FeedError
from parivision_core.store.files import FileStore
from parivision_serving.virtual_bets.app import create_app
from parivision_serving.virtual_bets.settings import VirtualBetsSettings
from tests.helpers import shots
from tests.helpers.small_feed import FakeTime

SHOTS = shots.as_kaggle(shots.season(games=24, shots=10, seed=1, start="2021-10-18")).to_dict("records")
Answer = tuple[int, bytes]


class Scripted:
    """A service whose batches and answers a test sets."""

    def __init__(self) -> None:
        self.source = "one"
        self.contents: dict[str, bytes] = {}
        self.instead: dict[str, Callable[[], Answer]] = {}
        """Path without query -> an answer in place of the normal one."""
        self.requests: list[str] = []
        self.trickles = False
        self.rows: dict[str, int] = {}
        scripted = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = scripted.answer(self.path)
                self.send_response(status)
                self.end_headers()
                with suppress(BrokenPipeError):  # the feed may have given up
                    for piece in (body[i : i + 1] for i in range(len(body))) if scripted.trickles else (body,):
                        self.wfile.write(piece)
                        time.sleep(0.05 * scripted.trickles)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def add(self, name: str, documents: list[dict[str, Any]] | bytes, rows: int | None = None) -> None:
        content = documents if isinstance(documents, bytes) else msgspec.json.encode(documents)
        self.contents[name] = content
        self.rows[name] = len(documents) if rows is None else rows

    def answer(self, path: str) -> Answer:
        self.requests.append(path)
        route, _, query = path.partition("?")
        if route in self.instead:
            return self.instead[route]()
        if route == "/batches":
            words = dict(word.split("=") for word in query.split("&"))
            return self.page(int(words["after"]), int(words["limit"]))
        return 200, self.contents[route.removeprefix("/batches/")]

    def page(self, after: int, limit: int) -> Answer:
        names = list(self.contents)
        if after > len(names):
            return 422, b"{}"
        found = [
            {"id": n, "fingerprint": hashlib.sha256(self.contents[n]).hexdigest(), "rows": self.rows[n]}
            for n in names[after : after + limit]
        ]
        message = {"source": self.source, "batches": found, "next": after + len(found), "newest": len(names)}
        return 200, msgspec.json.encode(message)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    """A scripted service with two batches."""
    monkeypatch.setattr(virtual_bets, "PAUSE_SECONDS", 0.01)
    scripted = Scripted()
    threading.Thread(target=scripted.server.serve_forever, daemon=True).start()
    scripted.add("2021-10-18", SHOTS[:100])
    scripted.add("2021-10-19", SHOTS[100:])
    yield scripted
    scripted.server.shutdown()
    scripted.server.server_close()


def names(feed: VirtualBetsFeed) -> list[str]:
    return [batch.id.rsplit("-", 1)[0] for batch in feed.batches()]


def test_the_real_service_is_ingested_whole_and_once(tmp_path: Path, store: FileStore) -> None:
    """Over HTTP, from an app in its first season to its last day, with a restart of either side."""
    frame = shots.as_kaggle(shots.season(games=24, shots=10, seed=1, start="2021-10-18"))
    settings = VirtualBetsSettings(home=tmp_path, file=shots.write(frame, tmp_path / "shots.csv"))
    server = uvicorn.Server(uvicorn.Config(create_app(settings, FakeTime()), port=0, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    feed = VirtualBetsFeed(url)
    for batch in waiting(feed.batches(), store):
        ingest(batch, NBA, store)
    assert sum(m.inserted for m in store.manifests()) == len(frame)
    assert {m.feed for m in store.manifests()} == {"virtual_bets"}
    assert [m.counted for m in store.manifests()] == [m.rows for m in store.manifests()]
    assert store.manifests()[0].source == f"{url}/batches/2021-10-18"
    virtual_bets._remote.cache_clear()  # another process
    assert waiting(VirtualBetsFeed(url).batches(), store) == []
    server.should_exit = True
    thread.join(10)
    with pytest.raises(FeedError, match="doesn't answer"):
        feed.batches()


def test_only_what_is_new_is_asked_for(service: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_bets, "PAGE", 1)
    feed = VirtualBetsFeed(service.url)
    assert names(feed) == ["2021-10-18", "2021-10-19"]
    service.add("2021-10-20", SHOTS[:5])
    service.requests.clear()
    assert names(feed) == ["2021-10-18", "2021-10-19", "2021-10-20"]
    assert service.requests == ["/batches?after=2&limit=1"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((500, b"out of order"), "answers 500 to the request for its batches: out of order"),
        ((200, b"<html>a router's login page</html>"), "is not VirtualBets"),
        ((200, b'{"source": "x", "batches": [], "next": 0}'), "is not VirtualBets"),
        ((200, b'{"source": "x", "batches": [], "next": 0, "newest": 9}'), "lists its batches wrongly"),
        ((200, b'{"source": "x", "batches": [], "next": 7, "newest": 7}'), "lists its batches wrongly"),
    ],
)
def test_a_wrong_answer_is_reported_and_the_next_right_one_is_used(
    service: Scripted, answer: Answer, message: str
) -> None:
    feed = VirtualBetsFeed(service.url)
    service.instead["/batches"] = lambda: answer
    with pytest.raises(FeedError, match=message):
        feed.batches()
    del service.instead["/batches"]
    assert len(feed.batches()) == 2


def test_an_answer_that_never_ends_is_given_up(service: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_bets, "ANSWER_SECONDS", 0.3)
    service.trickles = True  # each byte arrives in time, the whole doesn't
    with pytest.raises(FeedError, match="too slow"):
        VirtualBetsFeed(service.url).batches()


def test_a_feed_that_goes_back_in_time_is_listed_again(service: Scripted, store: FileStore) -> None:
    feed = VirtualBetsFeed(service.url)
    for batch in waiting(feed.batches(), store):
        ingest(batch, NBA, store)
    del service.contents["2021-10-19"]  # its state was lost
    assert names(feed) == ["2021-10-18"]
    assert waiting(feed.batches(), store) == []
    service.source = "another"
    service.contents.clear()
    service.add("2021-10-18", SHOTS[:7])
    service.add("2021-10-19", SHOTS[7:9])
    assert [batch.read().table.num_rows for batch in feed.batches()] == [7, 2]
    assert len(waiting(feed.batches(), store)) == 2


def test_a_failed_request_is_repeated(service: Scripted) -> None:
    answers = iter([(500, b"a moment"), (503, b"please"), (200, service.contents["2021-10-18"])])
    service.instead["/batches/2021-10-18"] = lambda: next(answers)
    batch = VirtualBetsFeed(service.url).batches()[0]
    assert len(batch.read().rows) == 100


def test_a_silent_service_is_not_waited_for_batch_by_batch(service: Scripted) -> None:
    first, second = VirtualBetsFeed(service.url).batches()
    service.server.shutdown()
    service.server.server_close()
    with pytest.raises(FeedError, match="doesn't answer"):
        first.read()
    virtual_bets._remote(service.url)._http.close()  # another request would raise an error of its own
    with pytest.raises(FeedError, match="doesn't answer"):
        second.read()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((500, b"never"), "answers 500 to the request for 2021-10-18"),
        ((200, b"[]"), "other bytes .* than it has listed"),
    ],
)
def test_a_batch_that_cannot_be_fetched_now_is_offered_again(
    service: Scripted, store: FileStore, answer: Answer, message: str
) -> None:
    service.instead["/batches/2021-10-18"] = lambda: answer
    batch = VirtualBetsFeed(service.url).batches()[0]
    with pytest.raises(FeedError, match=message):
        ingest(batch, NBA, store)
    assert [f.attempts for f in store.failures()] == [1]
    assert not rejected(store)
    service.instead.clear()
    assert ingest(batch, NBA, store).inserted == 100
    assert store.failures() == []


def test_a_batch_that_cannot_be_used_is_rejected_with_a_reason(service: Scripted, store: FileStore) -> None:
    service.add("cut", SHOTS[:60], rows=90)
    service.add("garbled", msgspec.json.encode(SHOTS[:60])[:5000], rows=60)
    for batch, message in zip(
        VirtualBetsFeed(service.url).batches()[2:], ("90 documents but holds 60", "cut off or damaged"), strict=True
    ):
        with pytest.raises(BatchError, match=message):
            ingest(batch, NBA, store)
        assert batch.fingerprint in rejected(store)
    assert store.manifests() == []


def test_a_feed_that_is_down_does_not_stop_the_others(tmp_path: Path) -> None:
    shots.write(shots.season(games=1, shots=8), tmp_path / "a.csv")
    offers = collect_offers([VirtualBetsFeed("http://127.0.0.1:9"), InboxFeed(tmp_path, 0)])
    assert [batch.source for batch in offers.batches] == ["a.csv"]
    assert "doesn't answer at http://127.0.0.1:9" in offers.problems["virtual_bets"]
    (tmp_path / "file").write_text("")
    assert "can't be read" in collect_offers([InboxFeed(tmp_path / "file" / "inbox", 0)]).problems["inbox"]
