"""Parquet files that are written once, never changed, and checked as a whole each time they are read.

Each holds the CRC-32 of its bytes in its footer's metadata, because Parquet's own checksums cover the content of pages
alone: a bit that changes in a page's header or in the footer can turn values into others, or hide rows. The check costs
0.4 ms a megabyte. Arrow is imported on use: the service opens a store without it.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from parivision_core.problems import StoreError

if TYPE_CHECKING:
    import pyarrow as pa

RESTORE = "restore it from a backup, or move the state folder away and ingest the source files again"
"""What to do about a damaged file of the lake."""
FOLD_AGAIN = "materialize the features again (`make refresh` does), which folds it anew from the lake"
"""What to do about a damaged file of the warehouse."""
_KEY, _BLANK = "parivision.crc32", b"00000000"
_PIECE = 2**18
_FOOTER_BYTES = 2**20
"""In which the end of a file's footer lies, and so the key."""
_MARK = _KEY.encode() + bytes((0x18, len(_BLANK)))
"""The key as the footer holds it, and what comes before its value in Thrift's compact protocol: type and length."""


def write(folder: Path, name: str, table: pa.Table) -> Path:
    """Write a Parquet file under a name never used before, flush it to disk, and rename it into place.

    Raises StoreError when the disk is full or the folder can't be written.
    """
    import pyarrow as pa  # noqa: PLC0415 - see above
    import pyarrow.parquet as pq  # noqa: PLC0415 - see above

    target = folder / f"{name}-{uuid.uuid4().hex[:8]}.parquet"
    partial = target.with_suffix(".partial")
    buffer = pa.BufferOutputStream()
    with pq.ParquetWriter(buffer, table.schema, compression="zstd", write_page_checksum=True) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({_KEY: _BLANK.decode()})
    data = memoryview(buffer.getvalue())
    tail = max(len(data) - _FOOTER_BYTES, 0)
    place = tail + bytes(data[tail:]).rindex(_MARK) + len(_MARK)
    try:
        with partial.open("wb") as file:
            # The checksum takes the place of a blank one of the same length.
            file.writelines((data[:place], b"%08x" % crc32(data), data[place + len(_BLANK) :]))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
        _flush(folder)
    except OSError as error:
        raise StoreError(f"can't write {target}: {error}; free some space or check the folder's permissions") from error
    finally:
        with suppress(OSError):  # which mustn't hide why it couldn't be written
            partial.unlink(missing_ok=True)
    return target


def _flush(folder: Path) -> None:
    """Flush a folder; otherwise a renamed file may be missing after a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check(path: Path, remedy: str = RESTORE) -> None:
    """Compare a file with its checksum.

    Raises StoreError, with the remedy, when it is gone or isn't as it was written.
    """
    try:
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            tail = file.seek(max(size - _FOOTER_BYTES, 0))
            footer = file.readall()
            place = footer.rfind(_MARK) + len(_MARK)
            end = place + len(_BLANK)
            found = _crc_of(file, tail + end, size, crc32(_BLANK, _crc_of(file, 0, tail + place, 0)))
    except OSError as error:
        raise unreadable(path, error, remedy) from error
    if b"%08x" % found != footer[place:end]:
        raise unreadable(path, "its checksum differs", remedy)


def _crc_of(file: FileIO, start: int, end: int, crc: int) -> int:
    """Continue a checksum over some bytes, a few at a time: to hold a whole file costs twice as much as to check it."""
    file.seek(start)
    buffer = memoryview(bytearray(_PIECE))
    while start < end and (got := file.readinto(buffer[: end - start])):
        crc, start = crc32(buffer[:got], crc), start + got
    return crc


def read(
    path: Path,
    columns: Sequence[str] | None,
    since: str | None = None,
    until: str | None = None,
    days: Collection[str] | None = None,
    remedy: str = RESTORE,
) -> pa.Table:
    """Columns of a Parquet file, of game days from `since` to `until` and among `days`.

    Raises StoreError, with the remedy, when it is damaged or gone.
    """
    import pyarrow as pa  # noqa: PLC0415 - see above
    import pyarrow.compute as pc  # noqa: PLC0415 - see above
    import pyarrow.parquet as pq  # noqa: PLC0415 - see above

    check(path, remedy)
    try:
        # `read_table` with filters takes half as much time again for a small file: it sets up a dataset.
        with pq.ParquetFile(path) as file:
            table = file.read([*columns, "game_date"] if columns else None)
    except (OSError, ValueError) as error:
        raise unreadable(path, error, remedy) from error
    if since is not None:
        table = table.filter(pc.greater_equal(table["game_date"], since))
    if until is not None:
        table = table.filter(pc.less_equal(table["game_date"], until))
    if days is not None:
        table = table.filter(pc.is_in(table["game_date"], pa.array(list(days), pa.string())))
    return table.select(list(columns)) if columns else table


def written_anew(path: Path) -> str:
    """Write a file of an earlier version, which has no checksum, beside itself with one; returns the new name.

    Raises StoreError when it can't be read or written.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - see above

    try:
        table = pq.read_table(path)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    return write(path.parent, path.stem, table).name


def rows_in(path: Path) -> int:
    """Rows of a Parquet file, without reading them. Raises StoreError when it is damaged or gone."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - see above

    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, reason: object, remedy: str = RESTORE) -> StoreError:
    """The error for a file that can't be used."""
    return StoreError(f"can't read {path}: {reason}; {remedy}")
