"""Connects to MongoDB, and explains in plain words why it can't be reached or written."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from bson.errors import BSONError
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    DocumentTooLarge,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidName,
    InvalidURI,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from parivision_core import problems
from parivision_core.problems import StoreError

Document = dict[str, Any]

DUPLICATE = 11000
"""MongoDB's error code for an `_id` that exists already."""

DATABASE = "parivision"
"""Name of the database when the URL names none."""

DEFAULTS: dict[str, Any] = {
    "serverSelectionTimeoutMS": 10_000,
    "connectTimeoutMS": 10_000,
    "socketTimeoutMS": 120_000,  # otherwise a server that hangs would block this process for ever
    "wTimeoutMS": 60_000,
    "w": "majority",
    "retryWrites": True,
    "appname": "parivision",
}
"""Options of the connection; those in the URL override them."""

EXAMPLE = "it looks like mongodb://user:password@host:27017/database, with special characters written as %40 and so on"


def connect(url: str) -> Database[Document]:
    """The database that a URL names, over a pool shared by this process. Nothing is sent yet.

    Raises ConfigurationError when the URL can't be used; its message never shows the password.
    """
    # A forked child must not use its parent's sockets.
    return _connect(url, os.getpid())


@lru_cache(maxsize=16)
def _connect(url: str, _process: int) -> Database[Document]:
    try:
        given = {name.lower() for name, _ in parse_qsl(url.partition("?")[2])}
        options = {name: value for name, value in DEFAULTS.items() if name.lower() not in given}
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # pymongo only warns about a misspelt option
            return MongoClient[Document](url, connect=False, **options).get_default_database(DATABASE)
    except (ConfigurationError, InvalidURI, InvalidName, ValueError, OSError, UserWarning) as error:
        reason = str(error)
        if any(secret in reason for secret in _secrets(url)):
            reason = "it isn't a valid MongoDB URL"
        raise problems.ConfigurationError(f"PARIVISION_MONGO_URL can't be used: {reason}; {EXAMPLE}") from None


def reach(url: str) -> None:
    """Check that MongoDB answers. Raises StoreError saying why it doesn't, ConfigurationError as `connect` does."""
    with explained():
        connect(url).command("ping")


def _secrets(url: str) -> list[str]:
    """Everything in a URL, well-formed or not, that may be part of a password and is long enough to reveal it."""
    password = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
    pieces = {password, unquote(password), *password.split("@"), *password.split(":"), *password.split("/")}
    return [piece for piece in pieces if len(piece) > 2]


@contextmanager
def explained() -> Iterator[None]:
    """Turn what pymongo raises into a StoreError that names what to do."""
    try:
        yield
    except (PyMongoError, BSONError, OverflowError) as error:
        raise StoreError(explain(error)) from error


AGAIN = (
    "Nothing half-written is visible. Start the server or correct PARIVISION_MONGO_URL; the work in progress is tried "
    "again"
)
_TOO_SLOW = "MongoDB took too long and gave up; look at its load and run again"
_TOO_LARGE = "a document is larger than MongoDB accepts (16 MB); remove it from its batch"
_REFUSED = "MongoDB refused the user name or password; correct them in PARIVISION_MONGO_URL (and its authSource)"
_DISK_FULL = "MongoDB's disk is full; free some space on the server, then run again"
_DISK_FULL_PHRASES = ("no space left", "disk is full", "disk full", "out of disk", "outofdiskspace")

_BY_CODE = {
    13: "MongoDB doesn't allow this user to do that; grant it the role readWrite on the database",
    18: _REFUSED,
    8000: _REFUSED,  # as Atlas reports it
    50: _TOO_SLOW,
    64: "MongoDB didn't confirm the write on a majority of its members in time; look at the replica set's health",
    10334: _TOO_LARGE,
    17419: _TOO_LARGE,
    14031: _DISK_FULL,
}
# The first match counts, so narrower classes come first.
_BY_KIND: tuple[tuple[type[Exception], str], ...] = (
    (NetworkTimeout, f"MongoDB didn't answer in time. {AGAIN}"),
    (AutoReconnect, f"MongoDB can't be reached, or the connection was lost. {AGAIN}"),
    (WTimeoutError, _BY_CODE[64]),
    (ExecutionTimeout, _TOO_SLOW),
    (DocumentTooLarge, _TOO_LARGE),
    (ConfigurationError, "MongoDB can't be used as it is; install another version or correct PARIVISION_MONGO_URL"),
    (PyMongoError, "MongoDB refused"),
    (Exception, "MongoDB can't keep a value; correct the code that computes it and run again"),
)


def explain(error: Exception) -> str:
    """What went wrong and what to do, in a sentence or two, followed by the server's own message."""
    code, message = _first_failure(error)
    if any(phrase in message.lower() for phrase in _DISK_FULL_PHRASES):
        advice = _DISK_FULL
    else:
        advice = _BY_CODE.get(code or 0) or next(text for kind, text in _BY_KIND if isinstance(error, kind))
    return f"{advice} ({message})"


def _first_failure(error: Exception) -> tuple[int | None, str]:
    """Code and message of the server's first error that isn't a duplicate key."""
    if isinstance(error, BulkWriteError):
        errors = [*error.details.get("writeErrors", []), *error.details.get("writeConcernErrors", [])]
        for first in sorted(errors, key=lambda e: e.get("code") == DUPLICATE):
            return first.get("code"), str(first.get("errmsg", ""))
    if isinstance(error, OperationFailure) and not isinstance(error, DuplicateKeyError):
        return error.code, str((error.details or {}).get("errmsg", error))
    # Without the description of the whole topology that pymongo adds.
    return None, str(error).partition(", Timeout:")[0].partition(", full error:")[0]
