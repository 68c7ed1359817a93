"""The inbox: a folder in which each file of shots is a batch. One still being written waits for the next look."""

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
"""Files of no known kind that are named."""
UNFINISHED_FACTOR = 20
"""A file that doesn't end as its kind does waits so many times longer: a csv cut in mid-number would read as a shot."""


def passed_over(folder: Path) -> str:
    """What a person should know of files in an inbox that are of no kind that it takes; empty without any."""
    if not folder.is_dir():
        return ""
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    odd = [name for name in names if Path(name).suffix.lower() not in READERS]
    if not odd:
        return ""
    more = f" and {len(odd) - SHOWN} more" if len(odd) > SHOWN else ""
    return f"Passed over in the inbox {folder}: {', '.join(odd[:SHOWN])}{more}; it takes {', '.join(READERS)}"


class InboxFeed:
    """Offers the files of a folder, by name."""

    name = INBOX

    def __init__(self, folder: Path, settle_seconds: float = 3.0) -> None:
        self.folder = folder
        self.settle_seconds = settle_seconds

    def batches(self) -> list[Batch]:
        """A batch for each settled file of a known kind; hidden and partial files are passed over.

        Raises FeedError when the folder can't be looked into.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            paths = sorted(self.folder.iterdir())
        except OSError as error:
            raise FeedError(f"the inbox {self.folder} can't be looked into: {error.strerror}") from error
        files = [path for path in paths if path.suffix.lower() in READERS and not path.name.startswith(".")]
        _forget_all_but(self.folder, files)
        return [batch for path in files for batch in self._offer(path)]

    def _offer(self, path: Path) -> list[Batch]:
        try:
            stat = path.stat()
            if not path.is_file() or self._being_written(path, stat.st_ctime):
                return []
            fingerprint = _fingerprint(path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        except FileNotFoundError:  # removed between two looks
            return []
        except OSError as error:  # offered all the same, so that it fails alone and is seen
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
        """Whether a file, changed last at so many seconds since the epoch, may still be growing."""
        # The change time, unlike the modification time, can't be set by the program that copies a file in.
        # One that lies in the future, because the clock was set back, must not wait for it.
        age = time.time() - changed
        if age < 0 or age >= UNFINISHED_FACTOR * self.settle_seconds:
            return False
        return age < self.settle_seconds or not is_ended(path)


_known: dict[Path, tuple[tuple[int, ...], str]] = {}
"""File -> size and times, and the fingerprint that it had then: a season is read once, not at every look."""


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
