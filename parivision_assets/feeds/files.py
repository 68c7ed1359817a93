"""Reads a file of any known format, and says whether one has been written to its end."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from parivision_assets.feeds.archive import read_archive
from parivision_assets.feeds.base import RawBatch
from parivision_assets.feeds.formats import PLAIN, take
from parivision_assets.feeds.limits import check_size
from parivision_assets.feeds.names import shown
from parivision_assets.feeds.parquet_text import MAGIC
from parivision_assets.feeds.regular_files import open_regular
from parivision_core.problems import FeedError

ARCHIVE = ".zip"
SUFFIXES = (*PLAIN, ARCHIVE)
"""Of the files that can be read."""
TAIL = 4096
"""Bytes at a file's end that are searched for the end of a JSON document."""


def read_file(path: Path, fingerprint: str | None = None) -> RawBatch:
    """All rows of a file that has one of the SUFFIXES.

    Raises BatchError saying what is wrong with its content, FeedError when it can't be read at the moment or its
    content no longer has the sha256 of the offer.
    """
    name, suffix = shown(path.name), path.suffix.lower()
    try:
        with open_regular(path) as file:
            before = _state(file)
            check_size(name, before[0])
            if fingerprint is not None and hashlib.file_digest(file, "sha256").hexdigest() != fingerprint:
                raise _changed(name)
            file.seek(0)
            try:
                if suffix == ARCHIVE:
                    return read_archive(name, file, before[0])
                content = take(name, suffix, file, before[0])
            finally:
                if _state(file) != before:  # then what was read is neither the one nor the other
                    raise _changed(name)
    except OSError as error:
        raise FeedError(f"{name} can't be read: {error}") from error
    return content.read()


def _state(file: BinaryIO) -> tuple[int, int, int]:
    """What differs after a change: size and times."""
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _changed(name: str) -> FeedError:
    return FeedError(f"{name} was changed after it had been offered; it is offered again as it is now")


def is_ended(path: Path) -> bool:
    """Whether a file ends as its format does; otherwise it may still be being written. Raises OSError."""
    with open_regular(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL))
        tail = file.read()
    match path.suffix.lower():
        case ".csv" | ".jsonl" | ".ndjson":
            return size == 0 or tail.endswith((b"\n", b"\r"))
        case ".json":
            return tail.rstrip().endswith((b"]", b"}"))
        case ".parquet":
            return size > 2 * len(MAGIC) and tail.endswith(MAGIC)  # a file begins with the same bytes
        case _:  # the zip reader notices an archive that is cut off
            return True
