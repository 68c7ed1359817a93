"""Health checks of the launcher reach the services themselves."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from deploy.probe import probe
from tests.helpers.processes import free_port


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with the target of the request; 503 for /ill."""

    def do_GET(self) -> None:
        self.send_response(503 if self.path == "/ill" else 200)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[str]:
    """The address of a service."""
    with http.server.HTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_status_and_body_of_a_service_with_a_proxy_set(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert probe(f"{service}/batches?limit=1") == (200, b"/batches?limit=1")
    assert probe(f"{service}/ill")[0] == 503


def test_no_service_is_status_0() -> None:
    assert probe(f"http://127.0.0.1:{free_port()}/health") == (0, b"")
