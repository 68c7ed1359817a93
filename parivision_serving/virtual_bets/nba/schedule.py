"""The season's calendar: 82 games for each of 30 teams, 41 at home, from mid-October to mid-April with days of rest."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from parivision_serving.virtual_bets.nba.figures import Array
from parivision_serving.virtual_bets.nba.names import EAST
from parivision_serving.virtual_bets.nba.players import TEAMS

GAMES_BY_WEEKDAY = np.array([8, 5, 10, 4, 10, 8, 7])
"""Usual games on a day, Monday to Sunday; with the break they make 7.4 a day with games, as measured (7.45)."""
GAMES_SPREAD = 2.0
BREAK_DAYS = range(118, 124)
"""Days without games for the all-star break, counted from the season's first."""
FIRST_DAY = (10, 16)
"""The season begins on the first Tuesday from this month and day on."""
CONFERENCE = 15


@dataclass(frozen=True)
class Schedule:
    """Games in the order in which they are played: index of each home and away team, and of the day, all (1230,)."""

    first: dt.date
    home: Array
    away: Array
    day: Array
    """Days since the first, 0 for the opening night."""

    @property
    def length(self) -> int:
        """Days from the first game to the last, both counted."""
        return int(self.day[-1]) + 1


def make_schedule(season: int, rng: np.random.Generator) -> Schedule:
    """The calendar of the season that ends in the given year."""
    first = dt.date(season - 1, *FIRST_DAY)
    first += dt.timedelta(days=(1 - first.weekday()) % 7)
    home, away = _pairings(rng)
    day = _days(home, away, first.weekday(), rng)
    order = np.lexsort((rng.random(len(day)), day))
    return Schedule(first, home[order], away[order], day[order])


def _pairings(rng: np.random.Generator) -> tuple[Array, Array]:
    """Home and away team of each game: every pair twice, and 24 games more within the conference, 12 of them at home.

    The teams of a conference sit in a circle; five of its seven distances meet twice more, two once more. So each team
    plays ten of its conference four times, four of them three times and the others twice, as in the real league.
    """
    every = [(i, j) for i in range(len(TEAMS)) for j in range(len(TEAMS)) if i != j]
    east = [i for i, team in enumerate(TEAMS) if team in EAST]
    west = [i for i, team in enumerate(TEAMS) if team not in EAST]
    for conference in (east, west):
        circle = np.array(conference)[np.argsort(rng.random(CONFERENCE))].tolist()
        for distance in range(1, 8):
            for seat, team in enumerate(circle):
                other = circle[(seat + distance) % CONFERENCE]
                every.append((team, other))
                if distance <= 5:
                    every.append((other, team))
    home, away = np.array(every).T
    return home, away


def _days(home: Array, away: Array, weekday: int, rng: np.random.Generator) -> Array:
    """Day of each game: on every day the teams with most games left play, none of them three days running."""
    day = np.full(len(home), -1)
    left = np.bincount(home) + np.bincount(away)
    played = np.full((len(TEAMS), 2), -9)
    """Last day on which each team played, and the one before."""
    today = 0
    while (open_games := np.flatnonzero(day < 0)).size:
        if today not in BREAK_DAYS:
            usual = GAMES_BY_WEEKDAY[(weekday + today) % 7]
            room = int(np.clip(np.rint(usual + GAMES_SPREAD * rng.standard_normal()), 1, CONFERENCE))
            tired = (played[:, 0] == today - 1) & (played[:, 1] == today - 2)
            # Games left, then days rested; the noise keeps pairings from following a pattern.
            need = left + 0.3 * np.minimum(today - played[:, 0], 4) - 9.0 * tired
            urgency = need[home[open_games]] + need[away[open_games]] + 1.5 * rng.random(len(open_games))
            busy = tired.copy()
            for game in open_games[np.argsort(-urgency)].tolist():
                i, j = home[game], away[game]
                if busy[i] or busy[j]:
                    continue
                day[game], busy[i], busy[j] = today, True, True
                for team in (i, j):
                    left[team] -= 1
                    played[team] = today, played[team, 0]
                room -= 1
                if not room:
                    break
        today += 1
    return day
