"""The inbox: a folder in which each file of shots is a batch. A file that is still being written has to wait."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection
from functools import partial
from pathlib import Path

from parivision_assets.feeds.base import Batch, batch_id
from parivision_assets.feeds.files import READERS, is_ended, read_file
from parivision_core.problems import FeedError
from parivision_core.settings import INBOX

SHOWN = 5
"""Ignored files that a message names."""
UNFINISHED_FACTOR = 20
"""A file that doesn't end as its format does waits so much longer: a csv cut in mid-number would read as a shot."""


def ignored_files(folder: Path) -> str:
    """A message about files in an inbox whose format isn't supported; empty without any."""
    if not folder.is_dir():
        return ""
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    ignored = [name for name in names if Path(name).suffix.lower() not in READERS]
    if not ignored:
        return ""
    more = f" and {len(ignored) - SHOWN} more" if len(ignored) > SHOWN else ""
    return f"Ignored in the inbox {folder}: {', '.join(ignored[:SHOWN])}{more}; it takes {', '.join(READERS)}"


class InboxFeed:
    """Offers the files of a folder, by name."""

    name = INBOX

    def __init__(self, folder: Path, settle_seconds: float = 3.0) -> None:
        self.folder = folder
        self.settle_seconds = settle_seconds

    def batches(self) -> list[Batch]:
        """A batch for each complete file of a supported format; hidden and partial files are left out.

        Raises FeedError when the folder can't be read.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            paths = sorted(self.folder.iterdir())
        except OSError as error:
            raise FeedError(f"the inbox {self.folder} can't be read: {error.strerror}") from error
        files = [path for path in paths if path.suffix.lower() in READERS and not path.name.startswith(".")]
        _forget_all_but(self.folder, files)
        return [batch for path in files for batch in self._offer(path)]

    def _offer(self, path: Path) -> list[Batch]:
        try:
            stat = path.stat()
            if not path.is_file() or self._being_written(path, stat.st_ctime):
                return []
            fingerprint = _fingerprint(path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        except FileNotFoundError:  # removed meanwhile
            return []
        except OSError as error:  # offered all the same: its ingest fails and is reported
            fingerprint = hashlib.sha256(f"unreadable {path.name} {error.errno}".encode()).hexdigest()
        return [
            Batch(
                batch_id(path.name.split(".")[0], fingerprint),
                fingerprint,
                self.name,
                path.name,
                partial(read_file, path, fingerprint),
            )
        ]

    def _being_written(self, path: Path, changed: float) -> bool:
        """Whether a file that was changed last at `changed` (seconds since the epoch) may still be being written."""
        # A copying program can set the modification time, but not the change time. A change time in the future, after
        # the clock was set back, must not make the file wait.
        age = time.time() - changed
        if age < 0 or age >= UNFINISHED_FACTOR * self.settle_seconds:
            return False
        return age < self.settle_seconds or not is_ended(path)


_known: dict[Path, tuple[tuple[int, ...], str]] = {}
"""File -> its size and times, and its fingerprint: so that a season is hashed once and not at every tick."""


def _fingerprint(path: Path, *state: int) -> str:
    known = _known.get(path)
    if known is not None and known[0] == state:
        return known[1]
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    _known[path] = state, found
    return found


def _forget_all_but(folder: Path, files: Collection[Path]) -> None:
    kept = set(files)
    for path in [path for path in _known if path.parent == folder and path not in kept]:
        _known.pop(path, None)
