"""Fixtures for the tests of dagster_mongo: closed clients, a proxy in front of the database, a check for secrets."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator

import pytest
from pymongo.uri_parser import parse_uri

from dagster_mongo import close_clients
from tests.helpers.scripted_server import ScriptedServer

PATIENCE_SECONDS = 30  # only proves that nothing hangs
PASSWORD = "s3cret/p@ss"
ENCODED = "s3cret%2Fp%40ss"


@pytest.fixture(autouse=True)
def _no_client_left_behind() -> Iterator[None]:
    yield
    close_clients()


@pytest.fixture
def proxy(mongo_server: str) -> Iterator[ScriptedServer]:
    """A server that forwards all commands to the real one."""
    with ScriptedServer(upstream=parse_uri(mongo_server)["nodelist"][0]) as server:
        yield server


@pytest.fixture
def keeps_secret() -> Callable[[BaseException], None]:
    """A function that asserts that the traceback of an error, with its causes, doesn't show the password."""

    def check(error: BaseException) -> None:
        printed = "".join(traceback.format_exception(error)) + repr(error)
        assert "s3cret" not in printed
        assert "p@ss" not in printed
        assert "p%40ss" not in printed

    return check


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether a condition holds within PATIENCE_SECONDS."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()
