"""Log lines as text or JSON, each with the id of the request that it belongs to."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from datetime import UTC, datetime

import msgspec

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


def configure(kind: str) -> None:
    """Make this process log to standard error, as `text` or `json`."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if kind == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every request to the registry
