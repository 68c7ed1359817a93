"""Writes shots as the documents of the original system: objects with 22 text fields."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from parivision_core.nba import court
from parivision_serving.virtual_bets.nba.actions import ACTIONS
from parivision_serving.virtual_bets.nba.figures import Array
from parivision_serving.virtual_bets.nba.grid import AREAS, BASIC, RANGES, labels
from parivision_serving.virtual_bets.nba.names import FRANCHISES
from parivision_serving.virtual_bets.nba.players import SLOTS, TEAM_IDS, TEAMS
from parivision_serving.virtual_bets.nba.season import Season
from parivision_serving.virtual_bets.source import Document

FIELDS = (
    "Game ID",
    "Game Event ID",
    "Player ID",
    "Player Name",
    "Team ID",
    "Team Name",
    "Period",
    "Minutes Remaining",
    "Seconds Remaining",
    "Action Type",
    "Shot Type",
    "Shot Zone Basic",
    "Shot Zone Area",
    "Shot Zone Range",
    "Shot Distance",
    "X Location",
    "Y Location",
    "Shot Made Flag",
    "Game Date",
    "Home Team",
    "Away Team",
    "Season Type",
)
"""In the order of the file that the original system served."""
LETTERS = ("L", "LC", "C", "RC", "R", "BC")
AREA_NAMES = [f"{area}({letters})" for area, letters in zip(AREAS, LETTERS, strict=True)]
SEASON_TYPE = "Regular Season"
TEAM_NAMES = [FRANCHISES[team] for team in TEAMS]


def documents(season: Season, rows: slice) -> list[Document]:
    """The documents of some shots of a season."""
    shots, schedule = season.shots, season.schedule
    game, player, seconds = shots.game[rows], shots.player[rows], shots.seconds[rows]
    x, y = season.x[rows], season.y[rows]
    team = player // SLOTS
    named = labels(x, y)
    date = (np.datetime64(schedule.first) + schedule.day[game]).astype(dt.date)
    columns = [
        _text(season.first_game_id + game),
        _text(shots.event[rows]),
        _text(season.league.ids[player]),
        _names(season.names, player),
        _names([str(i) for i in TEAM_IDS], team),
        _names(TEAM_NAMES, team),
        _text(shots.period[rows]),
        _text(seconds // 60),
        _text(seconds % 60),
        _names(ACTIONS, shots.action[rows]),
        [f"{points}PT Field Goal" for points in court.points(x, y).tolist()],
        _names(BASIC, named.basic),
        _names(AREA_NAMES, named.area),
        _names(RANGES, named.range),
        _text(court.feet(x, y)),
        _text(x),
        _text(y),
        _text(shots.made[rows]),
        [f"{day:%Y%m%d}" for day in date.tolist()],
        _names(TEAMS, schedule.home[game]),
        _names(TEAMS, schedule.away[game]),
        [SEASON_TYPE] * len(game),
    ]
    return [dict(zip(FIELDS, row, strict=True)) for row in zip(*columns, strict=True)]


def _text(numbers: Array) -> list[str]:
    return list(map(str, numbers.tolist()))


def _names(names: Any, index: Array) -> list[str]:
    found: list[str] = np.array(names, dtype=object)[index].tolist()
    return found
