"""How much a batch may hold. Each bound is checked before what it bounds is in memory."""

from __future__ import annotations

from parivision_assets.feeds.json_document import LARGEST
from parivision_core.problems import BatchError

LARGEST_CONTENT = 1_000_000_000
"""Bytes of a file, or of all members of an archive together: 20 seasons of csv. An ingest takes several times as much
memory."""
LONGEST_LINE = LARGEST
"""Bytes of a line of csv or JSON Lines: the same as of a document, because a line is one."""
MOST_ROWS = 10_000_000
"""Lines of csv or JSON Lines, elements of a list or rows of Parquet: 45 seasons. A blank line counts, because it takes
memory too until it is dropped."""
MOST_COLUMNS = 1_000
"""Columns of csv or Parquet: 40 times as many as any known layout has."""
MOST_MEMBERS = 1_000
"""Files of shots in an archive: five seasons with a file for each game day."""
LARGEST_DIRECTORY = 1_000_000
"""Bytes of an archive's list of its members, of which each takes about 100. It is read at once, and becomes objects of
about ten times its size."""
DENSEST = 200
"""How many times an archive's size its members may have together. Seasons of csv are compressed to a tenth; what is
compressed to less than a two-hundredth was made to fill the memory."""
SURELY_SMALL = 100_000_000
"""Bytes up to which members may be as dense as they like: they do no harm."""


def check_size(name: str, size: int) -> None:
    """Raise BatchError when the content of a batch is larger than LARGEST_CONTENT."""
    if size > LARGEST_CONTENT:
        raise BatchError(f"{name} holds {size:,} bytes; at most {LARGEST_CONTENT:,} are read at once, so split it")


def check_rows(name: str, rows: int, what: str) -> None:
    """Raise BatchError when there are more rows than MOST_ROWS; `what` says what is counted."""
    if rows > MOST_ROWS:
        raise BatchError(f"{name} has more than {MOST_ROWS:,} {what}; split it")


def check_columns(name: str, columns: int) -> None:
    """Raise BatchError when there are more columns than MOST_COLUMNS."""
    if columns > MOST_COLUMNS:
        raise BatchError(f"{name} has {columns:,} columns; at most {MOST_COLUMNS:,} are read")


def check_density(name: str, content: int, size: int) -> None:
    """Raise BatchError when the members of an archive of `size` bytes hold suspiciously much."""
    if content > max(SURELY_SMALL, DENSEST * size):
        raise BatchError(
            f"{name} of {size:,} bytes holds {content:,}, more than {DENSEST} times as many; put the files into the "
            "inbox as they are"
        )
