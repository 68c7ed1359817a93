"""Reading zip archives: the files in one archive have one format and the same columns, and are one batch."""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from parivision_assets.feeds.base import BrokenRow, RawBatch
from parivision_core.problems import BatchError

Reader = Callable[[str, bytes], RawBatch]

UNREADABLE_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,  # a compression that Python doesn't know
    RuntimeError,  # an encrypted member
    ValueError,
    OSError,
)


def read_archive(name: str, data: bytes, readers: Mapping[str, Reader]) -> RawBatch:
    """All rows of an archive's members, in the order of their names; `readers` has one for each known suffix.

    Hidden members and those that macOS adds are ignored. Raises BatchError saying what is wrong with an archive that
    can't be read.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = archive.namelist()
            names = sorted(n for n in found if _suffix(n) in readers and _is_data(n))
            kinds = sorted({_suffix(n) for n in names})
            if len({readers[kind] for kind in kinds}) > 1:
                raise BatchError(
                    f"{name} holds files of several kinds ({', '.join(kinds)}); put each kind in an archive of its own"
                )
            contents = [(member, archive.read(member)) for member in names]
    except UNREADABLE_ZIP as error:
        raise BatchError(f"{name} is not a complete zip archive ({error}); copy it again") from error
    if not contents:
        known = " or ".join(suffix.removeprefix(".") for suffix in readers)
        raise BatchError(f"{name} holds no {known} file, only {found[:5]}")
    parts = [readers[kinds[0]](member, content) for member, content in contents]
    return parts[0] if len(parts) == 1 else _join(name, parts)


def _is_data(member: str) -> bool:
    return not member.endswith("/") and "__MACOSX/" not in member and "/." not in f"/{member}"


def _suffix(member: str) -> str:
    return PurePosixPath(member).suffix.lower()


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
