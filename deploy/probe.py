"""GET requests to the platform's own services, for health checks and progress."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request

TIMEOUT_SECONDS = 0.5


def probe(url: str) -> tuple[int, bytes]:
    """Status and body of the response to a GET request; status 0 without a response. Never waits long."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, b""
    except (OSError, http.client.HTTPException):
        return 0, b""
