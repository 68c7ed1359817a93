"""Questions to the services of the house: status and body, or 0 when nobody answers."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request

SECONDS = 0.5


def ask(url: str) -> tuple[int, bytes]:
    """What an address answers to GET; status 0 without an answer. Never waits long."""
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""
    except (OSError, http.client.HTTPException):
        return 0, b""
