"""Rows that explain a probability: the request without one of its parts at a time, as the league would fill it in."""

from __future__ import annotations

from functools import cache

import numpy as np

from parivision_core.arrays import Float32s, Floats
from parivision_core.fields import columns_of, fields_of
from parivision_core.nba import court
from parivision_core.nba.shots import contract
from parivision_core.nba.shots.history import feature_state
from parivision_core.nba.shots.history.families import KIND, LAST_FOOT, TWO_FEET_STRIDE, kind_codes
from parivision_core.nba.shots.history.in_game import NAMES as IN_GAME
from parivision_core.nba.shots.history.league import CELLS, FEET, cell_of
from parivision_core.nba.shots.inputs import features
from parivision_core.nba.shots.inputs.many import prepare_many
from parivision_core.nba.shots.inputs.request import ShotRequest, prepare
from parivision_core.scoring import sigmoid
from parivision_core.sport import Occlusions

CLOCKS = [
    (period, second)
    for period in range(1, contract.QUARTERS + 1)
    for second in range(60, contract.QUARTER_SECONDS, 120)
]
"""What the clock may show when it isn't known: any quarter, every other minute."""
LEAST_SHARE = 0.002
"""Cells from which the league takes a smaller share of its shots are left out."""
STEP = 5
"""Tenths of a foot between the spots among which each cell gets one."""

_SHOWN_AS = {"player_id": "shooter"}
"""Inputs whose part has another name in the answer."""
_FIELDS = fields_of(ShotRequest)
_OF_THE_SPOT = [features.NAMES.index(name) for name in features.NAMES if name not in IN_GAME]
_PERIOD, _SECOND = (features.NAMES.index(name) for name in ("period", "seconds_remaining"))


def occlusions(request: ShotRequest, current: feature_state.FeatureState) -> Occlusions:
    """The request itself, then without each optional input that was given, without its clock, without its spot.

    An optional input is hidden as training hides it. The clock becomes any of CLOCKS. The spot becomes that of any cell
    that the league shoots from, weighted by its shots (of the same kind, if that is known).
    """
    prepared = prepare(request, current)
    given = [name for name in features.MASKS if getattr(request, name) is not None]
    share = _shares(request, current)
    cells = np.flatnonzero(share >= LEAST_SHARE)
    rows = {**dict.fromkeys(given, 1), "clock": len(CLOCKS), "spot": len(cells)}
    matrix = np.repeat(prepared.features, 1 + sum(rows.values()), axis=0)
    offset = np.repeat(prepared.offset, len(matrix))
    for row, name in enumerate(given, start=1):
        matrix[row, [features.NAMES.index(column) for column in features.MASKS[name]]] = 0.0
    first = 1 + len(given)
    matrix[first : first + len(CLOCKS), [_PERIOD, _SECOND]] = CLOCKS
    moved_matrix, moved_offset = _moved(request, current, cells)
    matrix[-len(cells) :, _OF_THE_SPOT] = moved_matrix[:, _OF_THE_SPOT]
    offset[-len(cells) :] = moved_offset
    weights = [np.ones(len(given)), np.full(len(CLOCKS), 1 / len(CLOCKS)), share[cells] / share[cells].sum()]
    return Occlusions(
        features=matrix,
        offset=offset,
        names=tuple(_SHOWN_AS.get(name, name) for name in rows),
        hidden=np.repeat(np.arange(len(rows)), list(rows.values())),
        weights=np.concatenate(weights),
        league_make_rate=float(_league_shares(current) @ sigmoid(current.base_logits)),
    )


def _moved(request: ShotRequest, current: feature_state.FeatureState, cells: np.ndarray) -> tuple[Float32s, Float32s]:
    """Features and offset of the request at the spots of some cells, without in-game features."""
    columns = columns_of(_FIELDS, [request])
    columns = {name: np.repeat(column, len(cells)) for name, column in columns.items() if name != "earlier_shots"}
    columns["x"], columns["y"] = _spots()[cells].T
    prepared = prepare_many(columns, current)
    return prepared.features, prepared.offset


@cache
def _spots() -> np.ndarray:
    """A spot x, y in each cell of the league's table, (CELLS, 2), at its middle angle; NaN where there is none."""
    across = np.arange(-court.HALF_WIDTH, court.HALF_WIDTH + 1, STEP, dtype=np.float64)
    along = np.arange(-50, court.FAR_BASELINE_Y, STEP, dtype=np.float64)
    x, y = (axis.ravel() for axis in np.meshgrid(across, along))
    spots = court.locate(x, y)
    cell = cell_of(spots.zone, spots.feet)
    order = np.lexsort((court.angle(x, y), cell))
    found, first, count = np.unique(cell[order], return_index=True, return_counts=True)
    middle = order[first + count // 2]
    chosen = np.full((CELLS, 2), np.nan)
    chosen[found] = np.column_stack([x[middle], y[middle]])
    return chosen


def _league_shares(current: feature_state.FeatureState) -> Floats:
    """Share of the league's shots from each cell, (CELLS,); equal for all cells while there are no shots."""
    on_court = ~np.isnan(_spots()[:, 0])
    shots = np.where(on_court, current.league.cells[0], 0.0)
    shots = shots if shots.any() else on_court.astype(np.float64)
    return np.asarray(shots / shots.sum())


def _shares(request: ShotRequest, current: feature_state.FeatureState) -> Floats:
    """The same for shots of the request's kind, estimated from the distances of that kind."""
    league = _league_shares(current)
    if request.kind is None:
        return league
    code = int(kind_codes(np.array([request.kind.value]))[0])
    reach = np.minimum(np.arange(CELLS) % FEET, LAST_FOOT) // 2  # of each cell, in steps of two feet
    kinds = current.sums[KIND]
    taken = kinds.values[kinds.rows_of(code * TWO_FEET_STRIDE + np.arange(TWO_FEET_STRIDE)), 2]
    everything = np.bincount(reach, weights=league, minlength=TWO_FEET_STRIDE)
    shots = league * np.divide(taken, everything, out=np.zeros(TWO_FEET_STRIDE), where=everything > 0)[reach]
    return np.asarray(shots / shots.sum()) if shots.any() else league
