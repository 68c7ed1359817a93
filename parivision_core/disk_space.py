"""Whether a disk has room left: Dagster and MLflow write pages of stack traces about a full one, without its name."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

LEAST_ROOM_BYTES = 20 * 2**20
"""With less, a write may fail any moment: a run of Dagster and its logs take up to 5 MB, and SQLite needs as much
again for the pages that it changes. It fails with room left, which it gives back."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
SQLITE_FULL = ("database or disk is full", "disk I/O error")
"""SQLite's words, also for a file that it can't map into memory for want of room."""
REMEDY = "free some space; what was committed is kept, and what failed is done again"


def full_disk(folder: Path) -> str:
    """A sentence when the disk of a folder is as good as full; empty when it has room, or can't be asked."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return ""
    if free >= LEAST_ROOM_BYTES:
        return ""
    left = f"{free / 2**20:.1f} MB are free"
    return f"The disk of {folder} is full ({left}), so that nothing more can be kept there: {REMEDY}."


def full_disk_behind(error: BaseException) -> str:
    """The file, if it is known, and what a full disk did to it, where that is behind an error; else empty."""
    for cause in _chain(error):
        if isinstance(cause, OSError) and cause.errno in FULL:
            return f"{cause.filename or 'a file'} can't be written: {cause.strerror}"
        if words := next((words for words in SQLITE_FULL if words in str(cause)), ""):
            return f"a database can't be written: {words}"
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from."""
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen:
        seen.append(following)
        yield following
        following = following.__cause__ or following.__context__
