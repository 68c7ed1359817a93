"""Many shots at once: the same features as for a single one, from columns of requests instead of objects.

The columns are those of `Sport.prepare_many`: what was left out is 0, for `home` -1; kinds and teams are numbered from
1 in the order of their enums.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from parivision_core.arrays import Array, Bools, Columns, Floats
from parivision_core.nba import court
from parivision_core.nba.shots import contract
from parivision_core.nba.shots.history import feature_state
from parivision_core.nba.shots.history.families import keys_of
from parivision_core.nba.shots.history.league import cell_of
from parivision_core.nba.shots.inputs import features
from parivision_core.nba.shots.inputs.request import EarlierShot, is_day
from parivision_core.nba.teams import ABBREVIATIONS, FRANCHISE
from parivision_core.scoring import sigmoid
from parivision_core.sport import PreparedMany

_FRANCHISES = np.array([0, *ABBREVIATIONS], dtype=np.int64)
"""Number of a team, 0 for none -> its franchise id."""


def doubtful(requests: Columns) -> Bools:
    """Rows (n,) in which `request.problems` may find something; in all others it finds nothing."""
    team, opponent, arena, home = (requests[name] for name in ("team", "opponent", "arena", "home"))
    too_long = requests["seconds_remaining"] > np.where(
        requests["period"] <= contract.QUARTERS, contract.QUARTER_SECONDS, contract.OVERTIME_SECONDS
    )
    hosts = np.where(home == 1, team, opponent)
    elsewhere = (arena != team) & (arena != opponent) | (home >= 0) & (hosts > 0) & (arena != hosts)
    found = too_long | (team > 0) & (team == opponent) | (arena > 0) & elsewhere
    dates = requests["game_date"].tolist()
    if impossible := {date for date in set(dates) if date and not is_day(date)}:
        found |= np.array([date in impossible for date in dates])
    if "earlier_shots" in requests:
        found |= np.array([bool(earlier) for earlier in requests["earlier_shots"].tolist()])
    return np.asarray(found)


def shot_keys(requests: Columns) -> list[tuple[int, str]]:
    """Row and key of each request that identifies its shot; see `request.shot_key`."""
    second = requests["seconds_remaining"]
    rows = np.flatnonzero((requests["game_id"] > 0) & (requests["player_id"] > 0) & (second == second // 1))
    if not len(rows):
        return []
    names = ("game_date", "game_id", "player_id", "period")
    parts = zip(*(requests[name][rows].tolist() for name in names), second[rows].astype(np.int64).tolist(), strict=True)
    return [(row, ":".join(map(str, part))) for row, part in zip(rows.tolist(), parts, strict=True) if part[0]]


def prepare_many(requests: Columns, current: feature_state.FeatureState) -> PreparedMany:
    """Model inputs of requests without problems as of the current feature state, by the builder that training used."""
    shots = requests | {name: _FRANCHISES[requests[name]] for name in ("team", "opponent", "arena")}
    history = _look_up(current, shots)
    if "earlier_shots" in requests:
        history = replace(history, in_game=_games_so_far(current, shots))
    matrix, offset = features.build(shots, history)
    return PreparedMany(matrix, offset, history.spots.points, sigmoid(history.base_logit))


def _look_up(current: feature_state.FeatureState, shots: Columns) -> feature_state.History:
    """As `feature_state.look_up`, but from strengths computed before; only the shooters' sums are gathered."""
    spots = court.locate(shots["x"], shots["y"])
    rows = {name: current.sums[name].rows_of(key) for name, key in keys_of(shots, spots).items()}
    base = current.base_logits[cell_of(spots.zone, spots.feet)]
    return feature_state.History(
        spots=spots,
        base_logit=base,
        sums={"shooter": current.sums["shooter"].values.take(rows["shooter"], axis=0)},
        in_game=feature_state.nothing_so_far(len(base)),
        rest_days=np.asarray(shots["rest_days"], dtype=np.float64),
        strengths={name: current.strengths[name].take(row) for name, row in rows.items()},
    )


def _games_so_far(current: feature_state.FeatureState, shots: Columns) -> dict[str, Floats]:
    """In-game features from each request's own earlier shots: every request is a game of its own."""
    games: list[tuple[int, list[EarlierShot]]] = [
        (row, earlier) for row, earlier in enumerate(shots["earlier_shots"].tolist()) if earlier
    ]
    result = feature_state.nothing_so_far(len(shots["x"]))
    if not games:
        return result
    rows = np.array([row for row, _ in games])
    before = [shot for _, earlier in games for shot in earlier]

    def column(name: str, values: list[Any]) -> Array:
        return np.concatenate([np.array(values), shots[name][rows]])

    names = ("x", "y", "period", "seconds_remaining")
    together = {name: column(name, [getattr(shot, name) for shot in before]) for name in names}
    together |= {
        "player_id": column("player_id", [shot.player_id or 0 for shot in before]),
        "team": column("team", [FRANCHISE[shot.team._value_] if shot.team else 0 for shot in before]),
        "game_id": np.concatenate([np.repeat(rows, [len(earlier) for _, earlier in games]), rows]),
        "made": np.concatenate([np.array([shot.made for shot in before]), np.zeros(len(rows), dtype=np.bool_)]),
    }
    spots = court.locate(together["x"], together["y"])
    base = current.base_logits[cell_of(spots.zone, spots.feet)]
    for name, values in feature_state.game_so_far(together, spots, base).items():
        result[name][rows] = values[len(before) :]
    return result
