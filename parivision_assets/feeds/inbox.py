"""The inbox: a folder in which each csv or zipped csv is a batch. One still being written waits for the next look."""

from __future__ import annotations

import hashlib
import re
import time
from functools import lru_cache, partial
from pathlib import Path

from parivision_assets.feeds.base import Batch
from parivision_assets.feeds.csv_text import read_csv_file

SUFFIXES = (".csv", ".zip")


class InboxFeed:
    """Offers the files of a folder, by name."""

    name = "inbox"

    def __init__(self, folder: Path, settle_seconds: float = 3.0) -> None:
        self.folder = folder
        self.settle_seconds = settle_seconds

    def batches(self) -> list[Batch]:
        """A batch for each settled csv or zip file; hidden and partial files are passed over."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return [
            batch
            for path in sorted(self.folder.iterdir())
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
            for batch in self._offer(path)
        ]

    def _offer(self, path: Path) -> list[Batch]:
        try:
            stat = path.stat()
            # The change time, unlike the modification time, can't be set by the program that copies a file in.
            # One that lies in the future, because the clock was set back, must not wait for it.
            if not path.is_file() or 0 <= time.time() - stat.st_ctime < self.settle_seconds:
                return []
            fingerprint = _fingerprint(path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        except FileNotFoundError:  # removed between two looks
            return []
        slug = re.sub(r"[^A-Za-z0-9]+", "-", path.name.split(".")[0]).strip("-")[:60]
        return [
            Batch(
                f"{slug or 'file'}-{fingerprint[:8]}",
                fingerprint,
                self.name,
                path.name,
                partial(read_csv_file, path, fingerprint),
            )
        ]


@lru_cache(maxsize=4096)
def _fingerprint(path: Path, size: int, mtime_ns: int, ctime_ns: int) -> str:  # the rest keys the cache
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
