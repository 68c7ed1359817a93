"""Names of a batch's columns, for every file format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from parivision_assets.feeds.limits import check_columns
from parivision_core.problems import BatchError


def column_names(source: str, given: Iterable[str]) -> list[str]:
    """The given names without surrounding space; an empty name is replaced by the column's number.

    Raises BatchError when two columns have the same name, or when there are too many.
    """
    stripped = [name.strip() for name in given]
    check_columns(source, len(stripped))
    names = [name or f"column {number}" for number, name in enumerate(stripped, start=1)]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise BatchError(f"{source} names the columns {', '.join(twice)} more than once")
    return names
