"""Opens regular files of a folder only: never what a link fetches from elsewhere, a pipe or a device.

Opening a pipe would wait for ever, and a link could bring any file of the machine into the lake.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def obstacle(path: Path) -> str:
    """Why an entry of a folder must not be opened, in a few words; empty for its files and folders.

    Raises OSError when it can't be found out.
    """
    linked = path.is_symlink()
    if linked and not _is_inside(path):
        return "a link that leads out"
    try:
        return KINDS.get(stat.S_IFMT(path.stat().st_mode), "")
    except FileNotFoundError:
        if linked:
            return "a link to nothing"
        raise


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading; a link only to one in the same folder.

    Raises OSError when it can't be opened, also when it was replaced by something else after a look at it.
    """
    if not _is_inside(path):
        raise OSError(errno.EPERM, "it has become a link that leads out", str(path))
    # Without waiting for what may be a pipe by now, and not through a link that has just taken the file's place.
    descriptor = os.open(os.path.realpath(path), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EPERM, "it is no regular file", str(path))
    return os.fdopen(descriptor, "rb")


def _is_inside(path: Path) -> bool:
    """Whether what a path leads to lies in its folder or below."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(path.parent))
