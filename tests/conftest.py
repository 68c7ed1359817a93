"""Fixtures for all tests: stores in temporary places, a browser and the folder of real seasons where there are such."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pandas as pd
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.steps.feed.ingesting import ingest, waiting
from parivision_core.nba.shots import NBA
from parivision_core.records import Manifest
from parivision_core.store.files import FileStore
from tests.helpers import shots
from tests.helpers.mongo_server import MongoServer
from tests.helpers.stores import KINDS, Place

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# How long an example takes depends on the machine's load more than on the code.
hypothesis.settings.register_profile("local", deadline=None, max_examples=25)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=100)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "true")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts background jobs like this, and processes that tests start and interrupt would inherit it; for
    # SIGTERM, too, which Dagster handles as SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)


PROCESS_FIXTURES = {"mongo_server", "browser", "page_url", "deployment"}
"""Fixtures that start a process: whoever uses one is marked `process`, as is every test of the place on MongoDB."""
HARMLESS = re.compile(r"git|uname|ldconfig|gcc|cc|ld|tail|sh|bash|true|.*/dagster/_core/execution/scripts/.*")
"""Commands that end at once, or that libraries run in passing; Dagster follows the logs of a run with two of them."""
started: list[str] = []
"""Programs that were started since the current test's set-up began."""


def note_process(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook: remember each program that Python starts."""
    if event == "subprocess.Popen":
        program, command = arguments[:2]
        words = [command] if isinstance(command, str | bytes | os.PathLike) else list(command)
        words[0] = Path(os.fsdecode(program or words[0])).name
        if not any(HARMLESS.fullmatch(os.fsdecode(word)) for word in words):
            started.append(" ".join(map(os.fsdecode, words)))


sys.addaudithook(note_process)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the fixtures that they use."""
    for item in items:
        places = getattr(item, "callspec", None) and item.callspec.params.get("place")  # type: ignore[attr-defined]
        if places == "mongo" or PROCESS_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.process)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_setup() -> Iterator[None]:
    """Forget what earlier tests started."""
    started.clear()
    yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A test that starts processes says so by its marker, so that they can be left out."""
    outcome: Any = yield
    if started and not item.get_closest_marker("process") and outcome.excinfo is None:
        outcome.force_exception(AssertionError(f"mark this test `process`, for it started {started[0]}"))


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    """An empty embedded store."""
    return FileStore(tmp_path / "store", NBA.lake, NBA.warehouse)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """The place of an empty store, for each kind."""
    if request.param == "files":
        return {"kind": "files", "folder": str(tmp_path / "store")}
    database = request.getfixturevalue("mongo_database")
    return {"kind": "mongo", "url": request.getfixturevalue("mongo_server"), "database": database.name}


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., list[Manifest]]:
    """Ingest frames as files of an inbox, in the given order: `put(store, frame, ...)` returns the new manifests."""
    count = iter(range(10_000))

    def put_frames(into: FileStore, *frames: pd.DataFrame) -> list[Manifest]:
        manifests = []
        for frame in frames:
            folder = tmp_path / f"inbox-{next(count)}"
            shots.write(frame, folder / "shots.csv")
            manifests += [ingest(batch, NBA, into) for batch in waiting(InboxFeed(folder, 0).batches(), into)]
        return manifests

    return put_frames


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium, for which all hosts of `.example` are this machine."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    with ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path=path, args=["--host-resolver-rules=MAP *.example 127.0.0.1"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; tests that need it skip without."""
    folder = os.environ.get("PARIVISION_TEST_DATA")
    if not folder or not (Path(folder) / "nba").is_dir():
        pytest.skip("PARIVISION_TEST_DATA names no folder of real data")
    return Path(folder) / "nba"


@pytest.fixture(scope="session")
def mongo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a MongoDB: the real one of PARIVISION_TEST_MONGO_URL, else nx-27017, started for this session."""
    given = os.environ.get("PARIVISION_TEST_MONGO_URL")
    if given:
        yield given
        return
    server = MongoServer(tmp_path_factory.mktemp("mongo"))
    yield server.start().url
    server.stop()


@pytest.fixture
def mongo_database(mongo_server: str) -> Iterator[Database[dict[str, Any]]]:
    """A database that no other test uses; removed afterwards."""
    with MongoClient[dict[str, Any]](mongo_server, serverSelectionTimeoutMS=10_000) as client:
        database = client[f"parivision_test_{uuid.uuid4().hex[:12]}"]
        yield database
        client.drop_database(database.name)
