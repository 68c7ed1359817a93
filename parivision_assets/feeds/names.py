"""Names of files and members, as messages, logs and stores show them."""

from __future__ import annotations

import os
from collections.abc import Sequence

SHOWN = 5
"""Names that a message lists."""
LONGEST_NAME = 100
"""Characters that are shown of a name: a member's may have 65,535."""


def shown(name: str) -> str:
    r"""A name in printable characters: a line feed becomes \n, and a byte that isn't UTF-8 such as \xff."""
    text = os.fsencode(name).decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    some = [name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..." for name in names[:SHOWN]]
    return ", ".join(some) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
