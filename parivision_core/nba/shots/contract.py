"""The one schema of an NBA shot: fields, ranges and identity. Every feed's layout is translated into it."""

from __future__ import annotations

FIELDS: dict[str, str] = {
    "game_date": "string",
    "game_id": "int64",
    "season": "int16",
    "season_type": "string",
    "player_id": "int64",
    "player_name": "string",
    "team": "string",
    "opponent": "string",
    "home": "int8",
    "period": "int16",
    "seconds_remaining": "int16",
    "x": "int16",
    "y": "int16",
    "points": "int8",
    "made": "int8",
    "kind": "string",
    "action": "string",
    "stated_distance": "int16",
    "event_id": "int64",
}
"""Field -> Arrow type. x and y are tenths of a foot from the hoop (see court), seconds are left in the period, the
season is the year it ends in, home and made are 0 or 1, event_id is -1 where the feed has none."""

IDENTITY = ("game_date", "game_id", "player_id", "period", "seconds_remaining")
"""Fields that identify a shot; an occurrence number distinguishes the few that share all five."""

MATCH = ("x", "y", "made")
"""Fields that match a shot among those with the same identity, when there are no event ids to compare."""

LARGEST_ID = 2**53 - 1
"""Of games and players: larger integers aren't exact in JSON."""
QUARTERS = 4
MAX_PERIOD = 14
"""Four quarters and ten overtimes; the record is six overtimes."""
QUARTER_SECONDS = 720
OVERTIME_SECONDS = 300

SEASON_TYPES = {1: "preseason", 2: "regular", 3: "all-star", 4: "playoffs", 5: "play-in"}
"""First digit of a game id -> type of season."""


def period_seconds(period: int) -> int:
    """Length of a period in seconds: quarters last 720, overtimes 300."""
    return QUARTER_SECONDS if period <= QUARTERS else OVERTIME_SECONDS
