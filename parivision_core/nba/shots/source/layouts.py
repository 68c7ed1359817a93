"""The layouts of sources: which column holds which part of a shot. A layout is recognised by its columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from parivision_core.nba.shots.source.placement import BASELINE_FEET, BASELINE_TENS, HOOP_TENTHS, Unit
from parivision_core.problems import BatchError


@dataclass(frozen=True)
class Layout:
    """A source's column for each part of a shot; optional ones may be absent."""

    name: str
    columns: Mapping[str, str]
    optional: Mapping[str, str]
    date_format: str
    units: tuple[Unit, ...]
    """Units known in this layout; others are considered only when none of these fits."""

    def missing(self, given: set[str]) -> list[str]:
        """Required columns that are missing."""
        return [column for column in self.columns.values() if column not in given]


KAGGLE = Layout(
    name="kaggle",
    columns={
        "game_id": "Game ID",
        "player_id": "Player ID",
        "player_name": "Player Name",
        "team_id": "Team ID",
        "period": "Period",
        "minutes": "Minutes Remaining",
        "seconds": "Seconds Remaining",
        "action": "Action Type",
        "worth": "Shot Type",
        "area": "Shot Zone Area",
        "distance": "Shot Distance",
        "x": "X Location",
        "y": "Y Location",
        "made": "Shot Made Flag",
        "date": "Game Date",
        "home": "Home Team",
        "away": "Away Team",
    },
    optional={"event_id": "Game Event ID"},
    date_format="%Y%m%d",
    units=(HOOP_TENTHS,),
)

SEASON = Layout(
    name="season",
    columns={
        "game_id": "GAME_ID",
        "player_id": "PLAYER_ID",
        "player_name": "PLAYER_NAME",
        "team_id": "TEAM_ID",
        "period": "QUARTER",
        "minutes": "MINS_LEFT",
        "seconds": "SECS_LEFT",
        "action": "ACTION_TYPE",
        "worth": "SHOT_TYPE",
        "area": "ZONE_NAME",
        "distance": "SHOT_DISTANCE",
        "x": "LOC_X",
        "y": "LOC_Y",
        "made": "SHOT_MADE",
        "date": "GAME_DATE",
        "home": "HOME_TEAM",
        "away": "AWAY_TEAM",
    },
    optional={"event_id": "GAME_EVENT_ID"},
    date_format="%m-%d-%Y",
    units=(BASELINE_FEET, BASELINE_TENS),
)

LAYOUTS = (KAGGLE, SEASON)


def recognise(columns: list[str]) -> Layout:
    """The layout whose required columns are all present. Raises BatchError naming what the closest one lacks."""
    given = set(columns)
    nearest = min(LAYOUTS, key=lambda layout: len(layout.missing(given)))
    lacking = nearest.missing(given)
    if not lacking:
        return nearest
    if len(lacking) == len(nearest.columns):
        expected = " or ".join(f"{', '.join(list(x.columns.values())[:4])} ... ({x.name})" for x in LAYOUTS)
        raise BatchError(
            f"unknown layout: found the columns {sorted(given)[:8]}, expected {expected}; "
            "remove the file, or write it with these columns"
        )
    raise BatchError(f"looks like the {nearest.name} layout but lacks the columns {', '.join(lacking)}")
