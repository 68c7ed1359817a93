"""Reading zip archives: the files in one archive have one format and the same columns, and are one batch."""

from __future__ import annotations

import errno
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import BinaryIO

from parivision_assets.feeds import limits
from parivision_assets.feeds.base import BrokenRow, RawBatch
from parivision_assets.feeds.formats import PLAIN, Content, take
from parivision_assets.feeds.names import listed, shown
from parivision_core.problems import BatchError

UNREADABLE_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
    OSError,  # bzip2 raises it
)
ENCRYPTED = 0x1
"""The flag of an encrypted member."""
SYSTEM_FOLDER = "__MACOSX"
SYSTEM_FILES = (".ds_store", "thumbs.db")
"""Members that macOS and Windows add, in small letters; those of macOS for other files begin with `._`."""
BOUNDED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Compressions of which Python unpacks no more than it is asked for."""
DROP = 32
"""Compressed bytes that are unpacked at once of the others, bzip2 and LZMA: 40 bytes of bzip2 may become 45 MB."""


@dataclass(frozen=True)
class Member:
    """A member that is read."""

    entry: zipfile.ZipInfo
    """Its own entry, for several members may have one name."""
    name: str
    """As messages show it."""
    suffix: str


class BoundedReads:
    """An open archive of which little is read at once: ZipFile reads a directory of any size, or unpacks any number."""

    most: int = limits.LARGEST_DIRECTORY
    """Bytes that are read at once."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        """`name` is shown in messages."""
        self._name, self._file = name, file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most `most`. Raises BatchError when more than a directory may have are asked for."""
        if size > limits.LARGEST_DIRECTORY:
            raise BatchError(
                f"{self._name} lists too many members, in {size:,} bytes; at most {limits.LARGEST_DIRECTORY:,} are "
                "read, so split it"
            )
        return self._file.read(min(size, self.most) if size >= 0 else self.most)


def read_archive(name: str, file: BinaryIO, size: int) -> RawBatch:
    """All rows of the members of an archive of `size` bytes, in the order of their names.

    Members that aren't read are named in the batch, except those that systems add. Raises BatchError saying what is
    wrong with an archive that can't be read.
    """
    with _explained(name):
        reads = BoundedReads(name, file)
        archive = zipfile.ZipFile(reads)
    with archive:
        entries = archive.infolist()
        content = sum(entry.file_size for entry in entries)
        limits.check_size(f"{name}, unpacked,", content)
        limits.check_density(name, content, size)
        members, passed_over = _sorted_out(entries)
        _check(name, members, passed_over)
        parts: list[RawBatch] = []
        counted = 0
        for member in members:  # one at a time: the bytes of each are gone before the next one is read
            parts.append(_taken(name, archive, reads, member).read())
            counted += parts[-1].counted or 0
            limits.check_rows(name, counted, "rows")
    batch = parts[0] if len(parts) == 1 else _join(name, parts)
    return replace(batch, counted=counted, passed_over=listed(passed_over))


@contextmanager
def _explained(name: str, member: str = "") -> Iterator[None]:
    """Turn what is raised for a damaged archive into a BatchError."""
    try:
        yield
    except NotImplementedError as error:
        place = f"{member} in {name}" if member else name
        raise BatchError(f"{place} is packed in an unknown way ({error}); pack it as usual") from error
    except UNREADABLE_ZIP as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # the file can't be read just now
            raise
        what = f"{member}: {error}" if member else error
        raise BatchError(f"{name} is not a complete zip archive ({what}); copy it again") from error


def _sorted_out(entries: list[zipfile.ZipInfo]) -> tuple[list[Member], list[str]]:
    """The members to read, by name, and the names of the others that a person may miss."""
    members: list[Member] = []
    passed_over: list[str] = []
    for entry in sorted(entries, key=lambda entry: entry.filename):
        given = entry.filename.replace("\\", "/")
        path = PurePosixPath(given)  # without the dots that stand for the same folder
        is_folder, name = given.endswith("/") and not entry.file_size, path.name.lower()
        if is_folder or SYSTEM_FOLDER in path.parts or name in SYSTEM_FILES or name.startswith("._"):
            continue
        hidden = any(part.startswith(".") and part != ".." for part in path.parts)
        if hidden or path.suffix.lower() not in PLAIN:
            passed_over.append(shown(entry.filename))
        else:
            members.append(Member(entry, shown(entry.filename), path.suffix.lower()))
    return members, passed_over


def _check(name: str, members: list[Member], passed_over: list[str]) -> None:
    """Raise BatchError when there are none, too many, or of several kinds."""
    if not members:
        known = " or ".join(suffix.removeprefix(".") for suffix in PLAIN)
        raise BatchError(f"{name} holds no {known} file, only {listed(passed_over) or 'nothing'}")
    if len(members) > limits.MOST_MEMBERS:
        raise BatchError(f"{name} holds {len(members):,} files; at most {limits.MOST_MEMBERS:,} are read, so split it")
    kinds = sorted({member.suffix for member in members})
    if len({PLAIN[kind] for kind in kinds}) > 1:
        raise BatchError(
            f"{name} holds files of several kinds ({', '.join(kinds)}); put each kind in an archive of its own"
        )
    for member in members:
        if member.entry.flag_bits & ENCRYPTED:
            raise BatchError(f"{member.name} in {name} is encrypted; pack it without a password")


def _taken(name: str, archive: zipfile.ZipFile, reads: BoundedReads, member: Member) -> Content:
    entry = member.entry
    reads.most = limits.LARGEST_DIRECTORY
    with _explained(name, member.name), archive.open(entry) as stream:
        if entry.compress_type not in BOUNDED:
            reads.most = DROP
        content = take(member.name, member.suffix, stream, entry.file_size)
        if len(content.data) < entry.file_size:
            raise EOFError(f"{entry.file_size - len(content.data):,} bytes are missing")
        return content


def _join(name: str, parts: list[RawBatch]) -> RawBatch:
    import pyarrow as pa

    columns = parts[0].table.column_names
    for part in parts:
        if differing := sorted(set(columns) ^ set(part.table.column_names)):
            raise BatchError(
                f"the files in {name} have different columns ({', '.join(differing[:5])} not in each of them); "
                "put each in an archive of its own"
            )
    rows: list[int] = []
    broken: list[BrokenRow] = []
    documents: list[str] = []
    start = 0
    for part in parts:
        rows += [start + number for number in part.rows]
        broken += [BrokenRow(start + b.row, b.reason, b.text) for b in part.broken]
        documents += part.documents or []
        start += part.table.num_rows + len(part.broken)
    table = pa.concat_tables([part.table.select(columns) for part in parts])
    return RawBatch(table, rows, broken, documents if parts[0].documents is not None else None)
