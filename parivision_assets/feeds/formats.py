"""The formats that a file or a member of an archive can have: how each is bounded, counted and read."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from parivision_assets.feeds.base import RawBatch
from parivision_assets.feeds.counting import BOM, PIECE, ElementCount, LineCount, RowCount
from parivision_assets.feeds.csv_text import read_csv
from parivision_assets.feeds.json_text import read_json, read_json_lines
from parivision_assets.feeds.limits import LONGEST_LINE, check_size
from parivision_assets.feeds.parquet_text import count_parquet, read_parquet

Reader = Callable[[str, bytes], RawBatch]

PLAIN: Mapping[str, Reader] = {
    ".csv": read_csv,
    ".json": read_json,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".parquet": read_parquet,
}


class Readable(Protocol):
    """A stream of bytes, such as an open file or member of an archive."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; fewer only at the end."""
        ...


@dataclass(frozen=True)
class Content:
    """The bytes of one file or member, which are within the limits."""

    name: str
    """As messages show it."""
    suffix: str
    """One of PLAIN's."""
    data: bytes
    count: RowCount | None
    """What was counted on the way; None for what isn't text."""

    def read(self) -> RawBatch:
        """The rows, with their count. Raises BatchError when the content can't be used."""
        batch = PLAIN[self.suffix](self.name, self.data)
        return replace(batch, counted=self._counted(batch))

    def _counted(self, batch: RawBatch) -> int:
        if self.count is None:
            return count_parquet(self.data)
        if self.suffix == ".csv":
            return self.count.rows - 1  # the header
        if batch.grain == "content":
            return 1
        kind = ElementCount if batch.grain == "element" else LineCount
        return self.count.rows if isinstance(self.count, kind) else kind(self.name).of(self.data)


def take(name: str, suffix: str, stream: Readable, size: int) -> Content:
    """Read at most `size` bytes, a piece at a time, and stop at the first that is beyond the limits.

    Raises BatchError then. What the stream raises is passed on.
    """
    check_size(name, size)
    data = io.BytesIO()
    count: RowCount | None = None
    while (left := size - data.tell()) and (part := stream.read(min(PIECE, left))):
        if count is None and suffix != ".parquet":
            count = _count_for(name, suffix, part)
        if count is not None:
            count.add(part)
        data.write(part)
    return Content(name, suffix, data.getvalue(), count or (None if suffix == ".parquet" else LineCount(name)))


def _count_for(name: str, suffix: str, beginning: bytes) -> RowCount:
    """The count that bounds a text: only of a list may a line be as long as the whole, for it often is in one line."""
    if suffix != ".csv" and beginning.removeprefix(BOM).lstrip().startswith(b"["):
        return ElementCount(name)
    return LineCount(name, None if suffix == ".json" else LONGEST_LINE)
