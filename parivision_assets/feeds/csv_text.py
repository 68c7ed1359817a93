"""Reading csv and zipped csv as text columns, so that what came can be kept exactly as it came."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parivision_assets.feeds.base import BrokenRow, RawBatch
from parivision_core.problems import BatchError

if TYPE_CHECKING:
    pass


def read_csv_file(path: Path, fingerprint: str | None = None) -> RawBatch:
    """All rows of a .csv file, or of the csv members of a .zip that share one header.

    Raises BatchError saying what is wrong with a file that can't be read, or that no longer has the sha256 under which
    it was offered.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BatchError(f"{path.name} can't be read: {error}") from error
    if fingerprint is not None and hashlib.sha256(data).hexdigest() != fingerprint:
        raise BatchError(f"{path.name} was changed after it had been offered; it is offered again as it is now")
    contents = _members(path.name, data) if path.suffix.lower() == ".zip" else [(path.name, data)]
    parts = [read_csv(name, content) for name, content in contents]
    return parts[0] if len(parts) == 1 else _join(path.name, parts)


def read_csv(name: str, data: bytes) -> RawBatch:
    """Text columns of one csv. Rows with too few or too many fields become `broken`."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    columns = _header(name, data)
    invalid: list[Any] = []

    def keep(row: Any) -> str:
        invalid.append(row)
        return "skip"

    try:
        table = arrow_csv.read_csv(
            io.BytesIO(data),
            # One thread, because only then does Arrow know the number of an invalid row.
            arrow_csv.ReadOptions(use_threads=False, column_names=columns, skip_rows=1, block_size=1 << 24),
            arrow_csv.ParseOptions(invalid_row_handler=keep, newlines_in_values=False),
            arrow_csv.ConvertOptions(
                column_types={column: pa.string() for column in columns}, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise BatchError(f"{name} can't be read as csv: {error}; is it complete, and saved as UTF-8?") from error
    broken = [
        BrokenRow(
            row.number - 1 if row.number else table.num_rows + at + 1,
            f"the row has {row.actual_columns} fields, the header {row.expected_columns}",
            row.text,
        )
        for at, row in enumerate(invalid)
    ]
    return RawBatch(table, _numbers(table.num_rows, {b.row for b in broken}), broken)


def _header(name: str, data: bytes) -> list[str]:
    if not data.strip():
        raise BatchError(f"{name} is empty")
    try:
        line = data.split(b"\n", 1)[0].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BatchError(f"{name} is not UTF-8 text ({error.reason}); save it as csv in UTF-8") from error
    columns = [column.strip() for column in next(csv.reader([line.rstrip("\r")]), [])]
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise BatchError(f"{name} names the columns {', '.join(twice)} more than once")
    return columns


def _numbers(rows: int, taken: set[int]) -> list[int]:
    numbers, at = [], 0
    for _ in range(rows):
        at += 1
        while at in taken:
            at += 1
        numbers.append(at)
    return numbers


def _members(archive_name: str, data: bytes) -> list[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [
                name
                for name in archive.namelist()
                if name.lower().endswith(".csv") and not name.startswith("__MACOSX/") and "/." not in f"/{name}"
            ]
            if not names:
                raise BatchError(f"{archive_name} holds no csv file, only {archive.namelist()[:5]}")
            return [(name, archive.read(name)) for name in sorted(names)]
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise BatchError(f"{archive_name} is not a complete zip archive ({error}); copy it again") from error


def _join(name: str, parts: list[RawBatch]) -> RawBatch:
    import pyarrow as pa

    if len({tuple(part.table.column_names) for part in parts}) > 1:
        raise BatchError(f"the csv files in {name} have different headers; put each in an archive of its own")
    rows: list[int] = []
    broken: list[BrokenRow] = []
    start = 0
    for part in parts:
        rows += [start + number for number in part.rows]
        broken += [BrokenRow(start + b.row, b.reason, b.text) for b in part.broken]
        start += part.table.num_rows + len(part.broken)
    return RawBatch(pa.concat_tables([part.table for part in parts]), rows, broken)
