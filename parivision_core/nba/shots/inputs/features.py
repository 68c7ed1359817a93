"""The model's inputs: their names in order, and the vectorised builder for one shot or a whole season."""

from __future__ import annotations

import hashlib

import numpy as np

from parivision_core.arrays import Columns, Float32s, Floats
from parivision_core.nba import court
from parivision_core.nba.shots.history import feature_state
from parivision_core.nba.shots.history.families import kind_codes
from parivision_core.nba.shots.history.feature_state import History
from parivision_core.nba.shots.history.in_game import NAMES as IN_GAME
from parivision_core.nba.shots.kinds import KINDS

REVISION = 2
"""Raise it when a column keeps its name but changes its meaning: zones, words of kinds, formulas."""

ZONES = tuple(f"zone_{z}" for z in court.ZONES)
KIND_COLUMNS = tuple(f"kind_{kind}" for kind in KINDS)
ORIGINAL = ("x_metres", "y_metres", "distance_metres", "seconds_remaining", "points", *ZONES)
CONTEXT = ("angle", "period", "home", "rest_days", *KIND_COLUMNS)
RESIDUALS = {
    "kind_residual": "kind_foot",
    "shooter_residual": "shooter",
    "shooter_recent_residual": "shooter_recent",
    "shooter_zone_residual": "shooter_zone",
    "shooter_kind_residual": "shooter_kind",
    "team_residual": "team",
    "opponent_residual": "opponent",
    "opponent_recent_residual": "opponent_recent",
    "opponent_zone_residual": "opponent_zone",
    "opponent_zone_recent_residual": "opponent_zone_recent",
    "arena_residual": "arena",
    "arena_zone_residual": "arena_zone",
    "arena_foot_residual": "arena_foot",
    "arena_foot_recent_residual": "arena_foot_recent",
    "arena_spot_residual": "arena_spot",
    "arena_kind_residual": "arena_kind",
}
"""Column -> family of the feature state whose shrunk residual it holds."""
HISTORY = ("base_logit", *RESIDUALS, "shooter_shots")
"""Columns that come from the shots before."""
NAMES: tuple[str, ...] = ORIGINAL + CONTEXT + HISTORY + IN_GAME
"""Feature names in the order of the matrix's columns. No raw player id: a shooter enters through the feature state."""

LONGEST_REST = 10
"""Days; a longer pause is a break between seasons, not rest between games."""


def schema_version() -> str:
    """Digest of names and revision, so that a bundle that was trained on other columns is never given these."""
    return hashlib.sha256("\n".join([f"revision {REVISION}", *NAMES]).encode()).hexdigest()[:16]


def fold(before: feature_state.FeatureState, shots: Columns) -> tuple[Float32s, Float32s, feature_state.FeatureState]:
    """Features and offset of later shots, and the feature state after them; see `feature_state.fold`."""
    history, after = feature_state.fold(before, shots)
    return *build(shots, history), after


def empty_feature_state() -> feature_state.FeatureState:
    """The feature state before the first shot."""
    return feature_state.FeatureState(schema=schema_version())


def build(shots: Columns, history: History) -> tuple[Float32s, Float32s]:
    """Features (n, len(NAMES)) and offset (n,), both float32, of shots with their history.

    `shots` holds columns (n,), whose spots are in the history: `period`, `seconds_remaining` (in the period), `home`
    (1 home, 0 away, -1 unknown) and `kind` (one of KINDS or the empty string). Unknown context is a zero in every
    column that would carry it, which is how training masks it, so the result never holds a NaN.
    """
    spots = history.spots
    home = np.asarray(shots["home"], dtype=np.float64)
    kind = kind_codes(shots["kind"])
    columns: dict[str, Floats] = {
        "x_metres": spots.x * court.METRES_PER_TENTH,
        "y_metres": spots.y * court.METRES_PER_TENTH,
        "distance_metres": spots.distance * court.METRES_PER_TENTH,
        "seconds_remaining": np.asarray(shots["seconds_remaining"], dtype=np.float64),
        "points": spots.points.astype(np.float64),
        **{name: (spots.zone == z).astype(np.float64) for name, z in zip(ZONES, court.ZONES, strict=True)},
        "angle": court.angle(spots.x, spots.y),
        "period": np.asarray(shots["period"], dtype=np.float64),
        "home": np.where(home < 0, 0.0, 2 * home - 1),
        "rest_days": np.minimum(history.rest_days, LONGEST_REST),
        **{name: (kind == code).astype(np.float64) for code, name in enumerate(KIND_COLUMNS, start=1)},
        "base_logit": history.base_logit,
        **{name: history.strength(family) for name, family in RESIDUALS.items()},
        "shooter_shots": np.log1p(history.sums["shooter"][:, 2]),
        **history.in_game,
    }
    # Filled row by row and transposed: half the time of stacking, and no copy in double precision.
    transposed = np.empty((len(NAMES), len(history.base_logit)), dtype=np.float32)
    for row, name in zip(transposed, NAMES, strict=True):
        row[:] = columns[name]
    return np.ascontiguousarray(transposed.T), history.base_logit.astype(np.float32)


def _residuals(family: str) -> tuple[str, ...]:
    """Columns of the families whose names begin so."""
    return tuple(name for name in RESIDUALS if name.startswith(family))


MASKS: dict[str, tuple[str, ...]] = {
    "player_id": (*_residuals("shooter"), "shooter_shots", "shooter_in_game", "shooter_shots_in_game"),
    "team": ("team_residual", "last_own", "team_in_game", "margin"),
    "opponent": _residuals("opponent"),
    "home": ("home",),
    "rest_days": ("rest_days",),
    "kind": (*KIND_COLUMNS, "kind_residual", "shooter_kind_residual", "arena_kind_residual"),
    "arena": _residuals("arena"),
    "earlier_shots": IN_GAME,
}
"""Optional input -> the columns that become 0 when a request leaves it out."""
