"""`make batch`: requests for shots of the lake, and clear messages when the API can't answer them."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator

import msgspec
import pytest

from parivision_assets.commands.request_predictions import newest_shots, predict_all, request_for
from parivision_core.nba.shots import NBA
from parivision_core.problems import NotEnoughGamesError, RegistryError
from parivision_core.records import Manifest
from parivision_core.store.files import FileStore
from tests.helpers import shots

Put = Callable[..., list[Manifest]]


@pytest.fixture
def api() -> Iterator[tuple[str, list[bytes]]]:
    """The address of an API, and its answers in their order; the last one repeats."""
    answers = [b'{"probability": 0.5}']

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(503 if b"detail" in answer else 200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", answers
    server.shutdown()
    server.server_close()


def test_the_newest_shots_become_valid_requests(store: FileStore, put: Put) -> None:
    put(store, shots.season(games=2, shots=8, seed=1), shots.season(games=2, shots=8, seed=2, start="2022-12-01"))
    newest = newest_shots(store, NBA, 10)
    assert len(newest) == 10
    assert {shot["game_date"] for shot in newest} == {"2022-12-01"}
    assert len(newest_shots(store, NBA, 20)) == 20
    assert len(newest_shots(store, NBA, 1000)) == 32
    for shot in newest:
        body = request_for(shot, NBA)
        request = msgspec.convert(body, NBA.request)
        assert not NBA.problems(request)
        assert (body["x"], body["player_id"], body["home"]) == (shot["x"], shot["player_id"], bool(shot["home"]))
    older = request_for({**newest[0], "team": "VAN", "home": -1}, NBA)  # a team that no longer exists
    assert "team" not in older
    assert "home" not in older


def test_an_empty_lake_says_what_to_do(store: FileStore) -> None:
    with pytest.raises(NotEnoughGamesError, match="the lake is empty: start `make up`"):
        newest_shots(store, NBA, 10)


def test_answers_are_timed_and_refusals_reported(api: tuple[str, list[bytes]]) -> None:
    url, answers = api
    found, seconds = predict_all(url, "", [{"x": 1}, {"x": 2}])
    assert [answer["probability"] for answer in found] == [0.5, 0.5]
    assert len(seconds) == 2
    answers[:] = [b'{"probability": 0.4}', b'{"detail": "No champion has been promoted yet."}']
    with pytest.raises(RegistryError, match="answers 503: No champion has been promoted yet"):
        predict_all(url, "", [{}, {}])
    answers[:] = [b"<html>detail of a proxy</html>"]
    with pytest.raises(RegistryError, match="answers 503: <html>detail of a proxy"):
        predict_all(url, "", [{}])
    with pytest.raises(RegistryError, match=r"doesn't answer at http://127\.0\.0\.1:9 .*is `make up` running"):
        predict_all("http://127.0.0.1:9", "", [{}])
