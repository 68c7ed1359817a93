"""The inbox: a folder in which each file of shots is a batch. A file that is still being written has to wait."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from parivision_assets.feeds.base import Batch, batch_id
from parivision_assets.feeds.files import SUFFIXES, is_ended, read_file
from parivision_assets.feeds.limits import LARGEST_CONTENT
from parivision_assets.feeds.names import listed, shown
from parivision_assets.feeds.regular_files import obstacle, open_regular
from parivision_core.problems import FeedError
from parivision_core.settings import INBOX

UNFINISHED_FACTOR = 20
"""A file that doesn't end as its format does waits so much longer: a csv cut in mid-number would read as a shot."""


@dataclass(frozen=True)
class Inbox:
    """What lies in an inbox; hidden entries and folders aside."""

    folder: Path
    files: list[Path]
    """Of a supported format, by name."""
    ignored: list[str]
    """Names of the others; first those that are never opened, each with the reason."""

    @property
    def message(self) -> str:
        """Names what is ignored; empty when nothing is."""
        if not self.ignored:
            return ""
        place = shown(str(self.folder))
        return f"Ignored in the inbox {place}: {listed(self.ignored)}; it takes {', '.join(SUFFIXES)}"


def look_into(folder: Path) -> Inbox:
    """What lies in an inbox, nothing when it doesn't exist yet. Raises FeedError when it can't be read."""
    try:
        paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not folder.is_symlink():
            return Inbox(folder, [], [])
        raise FeedError(f"the inbox {shown(str(folder))} can't be read: {error.strerror}") from error
    files: list[Path] = []
    unsafe: list[str] = []
    others: list[str] = []
    for path in paths:
        try:
            reason = obstacle(path)
            is_folder = not reason and path.is_dir()
        except FileNotFoundError:  # removed meanwhile
            continue
        except OSError:  # offered all the same: its ingest fails and is reported
            reason, is_folder = "", False
        if reason:
            unsafe.append(f"{shown(path.name)} ({reason})")
        elif path.suffix.lower() not in SUFFIXES:
            others += [] if is_folder else [shown(path.name)]
        elif not is_folder:
            files.append(path)
    return Inbox(folder, files, unsafe + others)


class InboxFeed:
    """Offers the files of a folder, by name."""

    name = INBOX

    def __init__(self, folder: Path, settle_seconds: float = 3.0) -> None:
        self.folder = folder
        self.settle_seconds = settle_seconds
        self._found: Inbox | None = None

    def batches(self) -> list[Batch]:
        """A batch for each complete file of a supported format; hidden and partial files are left out.

        Raises FeedError when the folder can't be read.
        """
        self._found = look_into(self.folder)
        files = self._found.files
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FeedError(f"the inbox {shown(str(self.folder))} can't be made: {error.strerror}") from error
        _forget_all_but(self.folder, files)
        return [batch for path in files for batch in self._offer(path)]

    def ignored(self) -> str:
        """See Feed."""
        return (self._found or look_into(self.folder)).message

    def _offer(self, path: Path) -> list[Batch]:
        try:
            stat = path.stat()
            if self._being_written(path, stat.st_ctime):
                return []
            fingerprint = _fingerprint(path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        except FileNotFoundError:  # removed meanwhile
            return []
        except OSError as error:  # offered all the same: its ingest fails and is reported
            fingerprint = hashlib.sha256(b"unreadable %b %d" % (os.fsencode(path.name), error.errno or 0)).hexdigest()
        return [
            Batch(
                batch_id(path.name.split(".")[0], fingerprint),
                fingerprint,
                self.name,
                shown(path.name),
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
    """The sha256 of a file whose size and times are `state`."""
    known = _known.get(path)
    if known is not None and known[0] == state:
        return known[1]
    if state[0] > LARGEST_CONTENT:  # it will be refused by its size, so it isn't read at all
        return hashlib.sha256(b"too large %b %r" % (os.fsencode(path.name), state)).hexdigest()
    with open_regular(path) as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    _known[path] = state, found
    return found


def _forget_all_but(folder: Path, files: Collection[Path]) -> None:
    kept = set(files)
    for path in [path for path in _known if path.parent == folder and path not in kept]:
        _known.pop(path, None)
