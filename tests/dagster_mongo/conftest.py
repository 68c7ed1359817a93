"""What the tests of dagster_mongo share: no client left behind, a proxy before the database, secrets that stay so."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator

import pytest
from pymongo.uri_parser import parse_uri

from dagster_mongo import close_clients
from tests.helpers.scripted_server import ScriptedServer

PATIENCE_SECONDS = 30  # only shows that nothing hangs
PASSWORD = "s3cret/p@ss"
ENCODED = "s3cret%2Fp%40ss"


@pytest.fixture(autouse=True)
def _no_client_left_behind() -> Iterator[None]:
    yield
    close_clients()


@pytest.fixture
def proxy(mongo_server: str) -> Iterator[ScriptedServer]:
    """A server that passes everything on to the real one."""
    with ScriptedServer(upstream=parse_uri(mongo_server)["nodelist"][0]) as server:
        yield server


@pytest.fixture
def keeps_secret() -> Callable[[BaseException], None]:
    """Asserts that no traceback that prints an error, its causes included, shows the password."""

    def check(error: BaseException) -> None:
        printed = "".join(traceback.format_exception(error)) + repr(error)
        assert "s3cret" not in printed
        assert "p@ss" not in printed
        assert "p%40ss" not in printed

    return check


def eventually(true: Callable[[], bool]) -> bool:
    """Whether it becomes true before patience ends."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not true() and time.monotonic() < give_up:
        time.sleep(0.02)
    return true()
