"""In-game features: what the earlier shots of the same game, by the clock, say about a shot."""

from __future__ import annotations

import numpy as np

from parivision_core.arrays import Array, Bools, Columns, Floats, Ints
from parivision_core.nba.shots.contract import OVERTIME_SECONDS, QUARTER_SECONDS, QUARTERS


def elapsed(period: Array, seconds_remaining: Array) -> Floats:
    """Whole seconds played since the game began, (n,), from the period (1-4 are quarters) and the seconds left in it.

    Fractions of a second are dropped: the official record has none, so that training never saw them.
    """
    period = np.asarray(period, dtype=np.int64)
    quarters, overtimes = np.minimum(period, QUARTERS), np.maximum(period - QUARTERS, 0)
    return np.asarray(quarters * QUARTER_SECONDS + overtimes * OVERTIME_SECONDS - np.floor(seconds_remaining))


NAMES = (
    "recency",
    "last_made",
    "last_own",
    "shooter_in_game",
    "shooter_shots_in_game",
    "team_in_game",
    "both_teams_in_game",
    "margin",
)
"""The in-game features, see `in_game_features`; each is 0 where nothing is known of the game."""


def in_game_features(shots: Columns, residual: Floats) -> dict[str, Floats]:
    """The features of NAMES, each (n,), of shots among which are the earlier ones of their games.

    `shots` holds `game` (n,), a number for each game, `period`, `seconds_remaining`, `player_id`, `team` (a number, 0
    unknown), `made` and `points`; `residual` is made minus the league's rate. Only shots at an earlier second of the
    same game count: the order within a second isn't recorded, and a tip-in in the same second would reveal that the
    shot before it was missed.

    recency: 1 / (1 + seconds since the last shot) within the period, 0 without one. last_made, last_own: 1 or -1,
    whether that shot went in, and was of the same team. shooter_in_game, team_in_game, both_teams_in_game: summed
    residuals of the shooter, the shooter's team and both teams. shooter_shots_in_game: the shooter's earlier shots.
    margin: points from the field, the team's minus the opponent's, 0 unless the team of each earlier shot is known.
    """
    game, team, player, period = (np.asarray(shots[c], dtype=np.int64) for c in ("game", "team", "player_id", "period"))
    made, clock = np.asarray(shots["made"], dtype=np.float64), elapsed(period, shots["seconds_remaining"])
    # Of several in one second the make came last, for it ends the possession; sorting by team breaks further ties.
    order = np.lexsort((team, made, clock, game))
    g, t = game[order], clock[order]
    index = np.arange(len(g))
    start = np.maximum.accumulate(np.where(np.r_[True, (g[1:] != g[:-1]) | (t[1:] != t[:-1])][: len(g)], index, 0))
    last = np.empty(len(g), dtype=np.int64)
    last[order] = order[np.maximum(start - 1, 0)]
    any_last = np.empty(len(g), dtype=bool)
    any_last[order] = start > 0
    any_last &= (game[last] == game) & (period[last] == period)

    def sign(yes: Bools, known: Bools | bool = True) -> Floats:
        return np.where(any_last & known, np.where(yes, 1.0, -1.0), 0.0)

    def before(key: Ints, value: Floats) -> Floats:
        return np.where(key > 0, sums_before(game, key, clock, value), 0.0)

    scored = made * np.asarray(shots["points"], dtype=np.float64)
    everyone = np.ones_like(game)
    all_named = (team > 0) & (before(everyone, (team == 0).astype(np.float64)) == 0)
    return {
        "recency": np.where(any_last, 1 / (1 + clock - clock[last]), 0.0),
        "last_made": sign(made[last] == 1),
        "last_own": sign(team[last] == team, (team > 0) & (team[last] > 0)),
        "shooter_in_game": before(player, residual),
        "shooter_shots_in_game": before(player, np.ones_like(made)),
        "team_in_game": before(team, residual),
        "both_teams_in_game": before(everyone, residual),
        "margin": np.where(all_named, 2 * before(team, scored) - before(everyone, scored), 0.0),
    }


def sums_before(game: Ints, key: Ints, moment: Floats, value: Floats) -> Floats:
    """For each shot the sum of `value` over the shots of the same game and key at earlier moments; all are (n,)."""
    if not len(key):
        return np.zeros(0)
    order = np.lexsort((moment, key, game))
    g, k, m = game[order], key[order], moment[order]
    running = np.r_[0.0, np.cumsum(value[order])]
    index = np.arange(len(k))
    new_key = np.r_[True, (k[1:] != k[:-1]) | (g[1:] != g[:-1])]
    new_moment = new_key | np.r_[True, m[1:] != m[:-1]]
    first, current = (np.maximum.accumulate(np.where(new, index, 0)) for new in (new_key, new_moment))
    result = np.empty(len(k))
    result[order] = running[current] - running[first]
    return result
