"""What a batch's columns are called, whichever kind of file names them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from parivision_core.problems import BatchError


def column_names(source: str, given: Iterable[str]) -> list[str]:
    """The given names without space around them; one without a name gets one by its place.

    Raises BatchError when two columns have the same name: nobody could say which of them is meant.
    """
    stripped = [name.strip() for name in given]
    names = [name or f"column {number}" for number, name in enumerate(stripped, start=1)]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise BatchError(f"{source} names the columns {', '.join(twice)} more than once")
    return names
