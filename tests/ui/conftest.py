"""Fixtures of the page's tests: a scripted service, the page as a process, windows of a browser."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.helpers.page_process import PageProcess
from tests.helpers.scripted_api import ScriptedApi, verdict

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    """A scripted service that answers every route."""
    started = ScriptedApi().start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def shared_api() -> Iterator[ScriptedApi]:
    """The service behind the page of a whole module; a test that changes it restores it."""
    judged = [verdict(3, "pass", 0.0042), verdict(2, "refuse", -0.0007), verdict(1, "not_yet", None)]
    started = ScriptedApi(verdicts=judged).start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def page_url(shared_api: ScriptedApi) -> Iterator[str]:
    """Address of the running page, which takes seconds to start: one for a module, and it must end cleanly."""
    process = PageProcess(shared_api.url)
    try:
        yield process.ready()
        code, log = process.end(signal.SIGTERM)
    finally:
        process.kill()
    assert code == 0 and "Traceback" not in log, log


@pytest.fixture(scope="module")
def context(browser: Browser) -> BrowserContext:
    """Windows of the browser that share a cache: the page's scripts are loaded once."""
    return browser.new_context()
