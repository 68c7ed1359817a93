"""The fields of the contract by which shots can be searched, and the values that a search may give."""

from __future__ import annotations

from parivision_core.nba.shots.contract import LARGEST_ID, MAX_PERIOD, SEASON_TYPES
from parivision_core.nba.shots.kinds import KINDS
from parivision_core.nba.teams import ABBREVIATIONS
from parivision_core.sport import Filter

_TEAMS: dict[str, tuple[str, ...]] = {
    name: names if name == names[0] else (name,) for names in ABBREVIATIONS.values() for name in names
}
_WHICH = "; today's abbreviation also finds shots under former ones, a former one only its own"


def _as_given(values: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {value: (value,) for value in values}


FILTERS: dict[str, Filter] = {
    "player_id": Filter(int, "The shooter's NBA id.", 201939, least=1, most=LARGEST_ID),
    "team": Filter(str, f"The shooter's team{_WHICH}.", "GSW", values=_TEAMS),
    "opponent": Filter(str, f"The defending team{_WHICH}.", "LAL", values=_TEAMS),
    "season": Filter(int, "The year in which the season ends.", 2023, least=1947, most=9999),
    "season_type": Filter(str, "Type of season.", "regular", values=_as_given((*SEASON_TYPES.values(), "unknown"))),
    "game_id": Filter(int, "The game's NBA id.", 22201230, least=1, most=LARGEST_ID),
    "home": Filter(bool, "Whether the shooter's team played at home.", True),
    "period": Filter(int, "1-4 are quarters, 5 and up overtimes.", 4, least=1, most=MAX_PERIOD),
    "points": Filter(int, "What a make counted.", 3, least=2, most=3),
    "made": Filter(bool, "Whether it went in.", True),
    "kind": Filter(str, "Coarse kind of shot.", "stepback", values=_as_given(KINDS)),
}
"""Field -> how it can be searched."""
