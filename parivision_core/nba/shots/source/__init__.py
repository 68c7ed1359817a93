"""How shots arrive: layouts of files and feeds, the unit and hand of coordinates, and parsing into the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from parivision_core.sport import Details, Parsed


def parse(raw: pd.DataFrame, known: Details | None = None) -> Parsed:
    """See `parsing.parse`, which is imported on use: the service does without pandas."""
    from parivision_core.nba.shots.source import parsing  # noqa: PLC0415 - see above

    return parsing.parse(raw, known)
