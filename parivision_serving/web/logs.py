"""Log lines as text or JSON, each with the id of the request that it belongs to, and a limited number of a kind."""

from __future__ import annotations

import logging
import re
import traceback
from asyncio import CancelledError
from contextlib import nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Timer
from time import monotonic
from typing import TextIO

import msgspec

REPEAT_SECONDS = 60.0
"""One warning or error of a kind is written in this time, and then how many more there were. Malformed requests alone
wrote 13,479 lines in 8 seconds, in which nothing else can be found, and which fill a disk."""
MOST_KINDS = 256
"""Kinds that are told apart; beyond that the oldest is forgotten, and written again when it comes again."""
LONGEST_KIND = 200
"""Characters of a message by which its kind is known."""

request_name: ContextVar[str] = ContextVar("request_name", default="")
"""X-Request-ID of the request that is being answered; empty outside one."""


class TextFormatter(logging.Formatter):
    """Time, level and message, in the format of the platform's other services."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s%(request)s", datefmt="%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """One line, followed by the traceback if there is one."""
        name = request_name.get()
        record.request = f" [{name}]" if name else ""
        return super().format(record)


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Time in UTC, level, logger, message, request and traceback; empty values are left out."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request": request_name.get(),
            "traceback": self.formatException(record.exc_info) if record.exc_info else "",
        }
        return msgspec.json.encode({name: value for name, value in line.items() if value}).decode()


class BoundedHandler(logging.StreamHandler[TextIO]):
    """Writes every line below a warning, and of each kind of warning and error one at once and a count later.

    A kind is a place in the code, a message without its values, and the type and place of an exception.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._kinds: dict[tuple[object, ...], _Repeats] = {}
        """The kinds that were written in the last REPEAT_SECONDS, oldest first, and older ones without repeats."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write or count one line. The caller holds the handler's lock."""
        if record.levelno < logging.WARNING:
            super().emit(record)
            return
        if record.exc_info and isinstance(record.exc_info[1], CancelledError):
            return  # uvicorn logs how many requests it cancels at the end, and then each with its traceback
        kind, now = _kind(record), monotonic()
        known = self._kinds.get(kind)
        if known and now < known.until:
            if not known.count:
                known.timer = Timer(known.until - now, self._report, [kind])
                known.timer.daemon = True
                known.timer.start()
            known.count += 1
            known.latest = logging.makeLogRecord(
                {"name": record.name, "levelno": record.levelno, "levelname": record.levelname}
                | {"msg": record.getMessage()}
            )
            return
        self._report(kind)
        self._kinds[kind] = _Repeats(now + REPEAT_SECONDS)
        if len(self._kinds) > MOST_KINDS:
            self._report(next(iter(self._kinds)))
        super().emit(record)

    def close(self) -> None:
        """Write what was counted, and close."""
        for kind in list(self._kinds):
            self._report(kind)
        super().close()

    def _report(self, kind: tuple[object, ...]) -> None:
        """Forget a kind, and write its latest line with the number of others."""
        with self.lock or nullcontext():
            repeats = self._kinds.pop(kind, None)
            if repeats and repeats.latest:
                if repeats.timer:
                    repeats.timer.cancel()
                if repeats.count > 1:
                    repeats.latest.msg += f" (and {repeats.count - 1:,} more like this in the last minute)"
                super().emit(repeats.latest)


@dataclass
class _Repeats:
    """Lines of one kind that were not written."""

    until: float
    """When the next is written, on the monotonic clock."""
    count: int = 0
    latest: logging.LogRecord | None = None
    timer: Timer | None = None


def _kind(record: logging.LogRecord) -> tuple[object, ...]:
    message = _VALUES.sub("#", str(record.msg)[:LONGEST_KIND])
    kind = (record.name, record.levelno, record.pathname, record.lineno, message)
    if not record.exc_info or not (error := record.exc_info[1]):
        return kind
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    return (*kind, type(error), *frames[-1:])


_VALUES = re.compile(r"0x[0-9a-f]+|\d+")
"""What differs between messages of a kind that were formatted before they were logged, as asyncio does."""


def configure(kind: str) -> None:
    """Make this process log to standard error, as `text` or `json`."""
    handler = BoundedHandler()
    handler.setFormatter(JsonFormatter() if kind == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every request to the registry
