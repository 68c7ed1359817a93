"""The reader for each file format, and whether a file has been written to its end."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from parivision_assets.feeds.archive import Reader, read_archive
from parivision_assets.feeds.base import RawBatch
from parivision_assets.feeds.csv_text import read_csv
from parivision_assets.feeds.json_text import read_json, read_json_lines
from parivision_assets.feeds.parquet_text import MAGIC, read_parquet
from parivision_core.problems import FeedError

PLAIN: Mapping[str, Reader] = {
    ".csv": read_csv,
    ".json": read_json,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".parquet": read_parquet,
}
READERS: Mapping[str, Reader] = {**PLAIN, ".zip": partial(read_archive, readers=PLAIN)}
TAIL = 4096
"""Bytes at a file's end that are searched for the end of a JSON document."""


def read_file(path: Path, fingerprint: str | None = None) -> RawBatch:
    """All rows of a file of one of the READERS' suffixes.

    Raises BatchError saying what is wrong with its content, FeedError when it can't be read at the moment or its
    content no longer has the sha256 of the offer.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FeedError(f"{path.name} can't be read: {error}") from error
    if fingerprint is not None and hashlib.sha256(data).hexdigest() != fingerprint:
        raise FeedError(f"{path.name} was changed after it had been offered; it is offered again as it is now")
    return READERS[path.suffix.lower()](path.name, data)


def is_ended(path: Path) -> bool:
    """Whether a file ends as its format does; otherwise it may still be being written."""
    with path.open("rb") as file:
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
