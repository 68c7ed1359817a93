"""What came of one fault."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """What came of one fault."""

    lost: int = 0
    doubled: int = 0
    failed: int = 0
    reported: bool = True
    note: str = ""
    """What was seen where something is wrong."""
