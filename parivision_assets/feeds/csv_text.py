"""Reading csv as text columns, so that every value can be stored exactly as it was delivered."""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import Any

from parivision_assets.feeds.base import BrokenRow, RawBatch
from parivision_assets.feeds.columns import column_names
from parivision_core.problems import BatchError


def read_csv(name: str, data: bytes) -> RawBatch:
    """Text columns of one csv, one row a line. Lines that can't be a row of the table become `broken`.

    The text is split into lines before quotes are read, so that a stray quote breaks its own line only.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    lines = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    lines = [line for line in lines if line.strip()]
    columns = _header(name, lines)
    broken = [b for b in (_broken(number, line) for number, line in _suspects(data, lines)) if b is not None]
    taken = {b.row for b in broken}
    numbers = [number for number in range(1, len(lines)) if number not in taken]
    invalid: list[Any] = []

    def keep(row: Any) -> str:
        invalid.append(row)
        return "skip"

    try:
        table = arrow_csv.read_csv(
            io.BytesIO(b"\n".join([b"", *(lines[number] for number in numbers), b""])),
            # One thread, because only then does Arrow know the number of an invalid row.
            arrow_csv.ReadOptions(use_threads=False, column_names=columns, skip_rows=1, block_size=1 << 24),
            arrow_csv.ParseOptions(invalid_row_handler=keep),
            arrow_csv.ConvertOptions(
                column_types={column: pa.string() for column in columns}, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise BatchError(f"{name} can't be read as csv: {error}") from error
    wrong = {numbers[row.number - 2]: row for row in invalid}
    if table.num_rows + len(wrong) != len(numbers):
        raise BatchError(f"{name} has {len(numbers)} lines that read as {table.num_rows + len(wrong)} rows")
    if wrong and len(wrong) == len(numbers):
        fields, _ = Counter(row.actual_columns for row in invalid).most_common(1)[0]
        raise BatchError(
            f"{name}: all {len(wrong)} rows differ from the header's {len(columns)} fields, most have {fields}"
        )
    broken += [
        BrokenRow(number, f"the row has {row.actual_columns} fields, the header {row.expected_columns}", row.text)
        for number, row in wrong.items()
    ]
    return RawBatch(table, [number for number in numbers if number not in wrong], broken)


def _header(name: str, lines: list[bytes]) -> list[str]:
    if not lines:
        raise BatchError(f"{name} is empty")
    try:
        text = lines[0].decode()
    except UnicodeDecodeError as error:
        raise BatchError(f"{name} is not UTF-8 text ({error.reason}); save it as csv in UTF-8") from error
    if "\0" in text:
        raise BatchError(f"{name} is not UTF-8 text; save it as csv in UTF-8")
    return column_names(name, next(csv.reader([text])))


def _suspects(data: bytes, lines: list[bytes]) -> list[tuple[int, bytes]]:
    """The lines that may be broken; in most files there are none to look at."""
    try:
        data.decode()
        if b'"' not in data:
            return []
    except UnicodeDecodeError:
        pass
    return list(enumerate(lines))[1:]


def _broken(number: int, line: bytes) -> BrokenRow | None:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        return BrokenRow(number, f"the row is not UTF-8 text ({error.reason})", line.decode(errors="backslashreplace"))
    if text.count('"') % 2:
        return BrokenRow(number, "a quote is opened and not closed in the row", text)
    return None
