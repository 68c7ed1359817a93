"""A web page of another site in a real browser, which tries to use the services of this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.helpers.processes import until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

EVIL = "evil.example"
SCRIPTS = """
function image(url) {
  return new Promise(done => { const i = new Image(); i.onload = i.onerror = () => done(); i.src = url })
}
// What any page may send without the browser asking the service first; without a type, a body has no Content-Type.
async function send(url, body, type) {
  await fetch(url, {method: "POST", mode: "no-cors", body: new Blob([body], type ? {type} : {})})
}
async function sendJson(url, body, method = "POST") {
  try {
    const answer = await fetch(url, {method, body, headers: {"content-type": "application/json"}})
    return [answer.status, await answer.text()]
  } catch { return [0, ""] }
}
// The body is `{..., "_": "="}`, so JSON for whoever doesn't look at its type.
function form(url, json) {
  const form = document.body.appendChild(document.createElement("form"))
  Object.assign(form, {action: url, method: "post", enctype: "text/plain"})
  const [name, value] = [json.slice(0, -1) + ', "_": "', '"}']
  form.appendChild(Object.assign(document.createElement("input"), {name, value}))
  form.submit()
}
// The first message of a subscription, or that it was refused.
function subscribe(url, query) {
  return new Promise(done => {
    const socket = new WebSocket(url, "graphql-ws")
    socket.onopen = () => {
      socket.send(JSON.stringify({type: "connection_init", payload: {}}))
      socket.send(JSON.stringify({type: "start", id: "1", payload: {query}}))
    }
    socket.onmessage = message => { if (JSON.parse(message.data).id === "1") done(JSON.parse(message.data).type) }
    socket.onerror = () => done("refused")
  })
}
"""


class _Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!DOCTYPE html><title>another site</title><body></body>")

    def log_message(self, *_: Any) -> None:
        pass


class DrivenPage:
    """A page in which SCRIPTS run, with the statuses of what it sent to others, which its scripts may not know."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._sent: list[str] = []
        self._statuses: dict[str, int] = {}
        network = page.context.new_cdp_session(page)
        network.on("Network.requestWillBeSent", self._note)
        network.on(
            "Network.responseReceivedExtraInfo",
            lambda answer: self._statuses.update({answer["requestId"]: answer["statusCode"]}),
        )
        network.send("Network.enable")

    def _note(self, sent: dict[str, Any]) -> None:
        if urlsplit(sent["request"]["url"]).netloc != urlsplit(self.page.url).netloc:  # not its own icon
            self._sent.append(sent["requestId"])

    def call(self, function: str, *arguments: Any) -> Any:
        """What a function of SCRIPTS returns."""
        return self.page.evaluate(f"() => {{ {SCRIPTS} return {function}({json.dumps(arguments)[1:-1]}) }}")

    def submit(self, url: str, body: str) -> int:
        """With which status a form is answered, whose answer replaces the page."""
        with self.page.expect_navigation() as navigation:
            self.call("form", url, body)
        self.page.go_back()
        return int(navigation.value.status)

    def answered(self, requests: int) -> set[int]:
        """With which statuses this many requests to others were answered, the next ones since the last call."""

        def all_answered() -> bool:
            self.page.wait_for_timeout(10)  # Playwright hears of answers only while it waits for something
            return len(self._sent) >= requests and self._statuses.keys() >= set(self._sent[:requests])

        until(all_answered, f"{requests} answers")
        found, self._sent = self._sent[:requests], self._sent[requests:]
        return {self._statuses[name] for name in found}


@contextmanager
def foreign_page(browser: Browser, host: str = EVIL) -> Iterator[DrivenPage]:
    """A page of another origin: of this host, on a port of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    page = browser.new_page()
    try:
        page.goto(f"http://{host}:{server.server_address[1]}/")
        yield DrivenPage(page)
    finally:
        page.close()
        server.shutdown()
        server.server_close()


@contextmanager
def rebound_page(browser: Browser, port: int, host: str = EVIL) -> Iterator[DrivenPage]:
    """A page whose host name, since it was loaded, has come to mean this machine: the service there is its origin."""
    page = browser.new_page()
    try:
        page.goto(f"http://{host}:{port}/")
        yield DrivenPage(page)
    finally:
        page.close()
