"""GET requests to the platform's own services, for health checks and progress."""

from __future__ import annotations

import http.client
from contextlib import closing
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 0.5


def probe(url: str) -> tuple[int, bytes]:
    """Status and body of the response to a GET request; status 0 without a response. Never waits long.

    The request goes to the host of the `http` address itself: no proxy reaches what listens on this machine.
    """
    host, target = urlsplit(url).netloc, urlsplit(url)._replace(scheme="", netloc="").geturl()
    with closing(http.client.HTTPConnection(host, timeout=TIMEOUT_SECONDS)) as connection:
        try:
            connection.request("GET", target)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
