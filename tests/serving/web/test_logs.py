"""Log lines of a kind are written once and counted, so that a flood hides nothing and fills no disk."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Iterator

import pytest

from parivision_serving.web import logs
from parivision_serving.web.logs import BoundedHandler
from tests.helpers.processes import until


class Written:
    """A logger whose lines are kept."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self.handler = BoundedHandler(self._stream)
        self.log = logging.Logger("there")
        self.log.addHandler(self.handler)

    @property
    def lines(self) -> list[str]:
        return self._stream.getvalue().splitlines()


@pytest.fixture
def written() -> Iterator[Written]:
    made = Written()
    yield made
    made.handler.close()


def test_a_kind_is_written_once_and_counted_at_the_end(written: Written) -> None:
    for number in range(2000):
        written.log.warning("request %d is malformed", number)
        if number == 1:
            assert written.lines == ["request 0 is malformed"]
    written.log.warning("something else")
    assert written.lines == ["request 0 is malformed", "something else"]
    written.handler.close()
    assert written.lines[2:] == ["request 1999 is malformed (and 1,998 more like this in the last minute)"]


def test_the_count_follows_by_itself_and_then_the_kind_is_written_again(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "REPEAT_SECONDS", 0.05)
    for number in range(3):
        written.log.warning("request %d", number)
    until(lambda: len(written.lines) == 2)
    written.log.warning("request %d", 3)
    assert written.lines == ["request 0", "request 2 (and 1 more like this in the last minute)", "request 3"]


def test_what_is_no_warning_is_always_written(written: Written) -> None:
    for _ in range(3):
        written.log.info("started")
    assert written.lines == ["started"] * 3


def test_each_kind_of_exception_is_written_with_its_traceback(written: Written) -> None:
    def fail(how: type[Exception]) -> None:
        try:
            raise how
        except Exception:
            written.log.exception("failed")

    for _ in range(3):
        fail(KeyError)
        fail(ValueError)
    assert [line for line in written.lines if line.endswith("Error")] == ["KeyError", "ValueError"]


def test_messages_that_differ_in_numbers_alone_are_of_one_kind(written: Written) -> None:
    for number in range(3):
        written.log.error(f"exception in <Task at {hex(id(number))}>, {number}")
    assert len(written.lines) == 1


def test_a_request_that_is_cancelled_at_the_end_is_no_error(written: Written) -> None:
    written.log.error("Exception in ASGI application", exc_info=asyncio.CancelledError("at the end"))
    assert written.lines == []


def test_memory_is_bounded_and_no_count_is_lost(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MOST_KINDS", 2)
    for kind in "abc":
        for _ in range(2):
            written.log.warning(kind)
    assert len(written.handler._kinds) == 2
    assert written.lines == ["a", "b", "a", "c"]
