"""The model's inputs for a shot: ordered names, and the one builder that serves a whole season and a single click."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from parivision_core.nba import court
from parivision_core.nba.form import Columns, Floats, History
from parivision_core.nba.kinds import KINDS

REVISION = 1
"""To be raised when a column keeps its name but changes its meaning: zones, words of kinds, formulas."""

ZONES = tuple(f"zone_{z}" for z in court.ZONES)
ORIGINAL = ("x_metres", "y_metres", "distance_metres", "seconds_remaining", "points", *ZONES)
CONTEXT = ("angle", "period", "home", *(f"kind_{kind}" for kind in KINDS))
FORM = (
    "base_logit",
    "shooter_form",
    "shooter_zone_form",
    "shooter_shots",
    "team_form",
    "opponent_form",
    "opponent_zone_form",
)
NAMES: tuple[str, ...] = ORIGINAL + CONTEXT + FORM
"""Feature names in the order of the matrix's columns. No raw player id: a shooter enters through the form."""


def schema_version() -> str:
    """Digest of names and revision: a bundle trained on other columns is never fed these."""
    return hashlib.sha256("\n".join([f"revision {REVISION}", *NAMES]).encode()).hexdigest()[:16]


def build(shots: Columns, history: History) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Features (n, len(NAMES)) and offset (n,), both float32, of shots with their history.

    `shots` holds columns (n,), whose places are in the history: `period`, `seconds_remaining` (in the period), `home`
    (1 home, 0 away, -1 unknown) and `kind` (one of KINDS or the empty string). Unknown context is a zero in every
    column that would carry it, which is how training masks it, so the result never holds a NaN.
    """
    spots = history.spots
    home = np.asarray(shots["home"], dtype=np.float64)
    kind = np.asarray(shots["kind"], dtype=str)
    columns: dict[str, Floats] = {
        "x_metres": spots.x * court.METRES_PER_TENTH,
        "y_metres": spots.y * court.METRES_PER_TENTH,
        "distance_metres": spots.distance * court.METRES_PER_TENTH,
        "seconds_remaining": np.asarray(shots["seconds_remaining"], dtype=np.float64),
        "points": spots.points.astype(np.float64),
        **{f"zone_{z}": (spots.zone == z).astype(np.float64) for z in court.ZONES},
        "angle": court.angle(spots.x, spots.y),
        "period": np.asarray(shots["period"], dtype=np.float64),
        "home": np.where(home < 0, 0.0, 2 * home - 1),
        **{f"kind_{k}": (kind == k).astype(np.float64) for k in KINDS},
        "base_logit": history.base_logit,
        "shooter_form": history.strength("shooter"),
        "shooter_zone_form": history.strength("shooter_zone"),
        "shooter_shots": np.log1p(history.sums["shooter"][:, 2]),
        "team_form": history.strength("team"),
        "opponent_form": history.strength("opponent"),
        "opponent_zone_form": history.strength("opponent_zone"),
    }
    matrix = np.column_stack([columns[name] for name in NAMES]).astype(np.float32)
    return matrix, history.base_logit.astype(np.float32)


MASKS: dict[str, tuple[str, ...]] = {
    "player_id": ("shooter_form", "shooter_zone_form", "shooter_shots"),
    "team": ("team_form",),
    "opponent": ("opponent_form", "opponent_zone_form"),
    "home": ("home",),
    "kind": tuple(f"kind_{kind}" for kind in KINDS),
}
"""Optional input -> the columns that become 0 when a request leaves it out."""
