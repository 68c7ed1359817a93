"""Random shots as the columns that a feature state folds, and the requests that ask about them."""

from __future__ import annotations

import numpy as np

from parivision_core.arrays import Columns
from parivision_core.nba.shots.history import feature_state

TEAMS = np.array(["BOS", "LAL", "GSW", ""])


def some_shots(n: int, seed: int, days: int = 12) -> Columns:
    """Shots in the order of their days, of few players, teams and games, some of them unknown."""
    rng = np.random.default_rng(seed)
    date = np.array([f"2023-01-{d + 1:02d}" for d in np.sort(rng.integers(0, days, n))])
    return {
        "game_date": date,
        "game_id": rng.integers(0, 3, n),
        "x": rng.integers(-250, 251, n) // (reach := rng.choice([1, 20], n)),
        "y": rng.integers(-52, 300, n) // reach,
        "made": rng.integers(0, 2, n),
        "player_id": (player := rng.integers(0, 6, n)),
        "player_name": np.array([f"Player {p}" for p in player], dtype=str),
        "team": TEAMS[rng.integers(0, 4, n)],
        "opponent": TEAMS[rng.integers(0, 4, n)],
        "period": rng.integers(1, 5, n),
        "seconds_remaining": rng.integers(0, 721, n),
        "home": rng.integers(-1, 2, n),
        "kind": np.array(["", "dunk", "jump"])[rng.integers(0, 3, n)],
    }


def take(shots: Columns, rows: np.ndarray) -> Columns:
    """Some rows of the shots."""
    return {name: column[rows] for name, column in shots.items()}


def asked_about(shots: Columns, row: int) -> dict[str, object]:
    """The request about a shot; the arena follows from home and the teams."""
    request = {name: shots[name][row].item() for name in ("x", "y", "period", "seconds_remaining")}
    request |= {name: shots[name][row].item() or None for name in ("player_id", "team", "opponent", "kind")}
    home = shots["home"][row]
    return request | {
        "home": None if home < 0 else bool(home),
        "arena": feature_state.arena_of(shots)[row].item() or None,
    }


def earlier(shots: Columns, rows: list[int]) -> dict[str, object]:
    """The field of a request that holds these shots as the game so far."""

    def shot(row: int) -> dict[str, object]:
        given = {name: shots[name][row].item() for name in ("x", "y", "period", "seconds_remaining")}
        known = {name: shots[name][row].item() or None for name in ("player_id", "team")}
        return given | known | {"made": bool(shots["made"][row])}

    return {"earlier_shots": [shot(row) for row in rows]}
