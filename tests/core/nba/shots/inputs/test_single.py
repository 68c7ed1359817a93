"""The features of one shot, built by plain Python, are those of the frame builder that training uses, bit for bit."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parivision_core.nba import court
from parivision_core.nba.shots.history import families, feature_state
from parivision_core.nba.shots.inputs import features, single
from parivision_core.nba.shots.inputs.request import ShotRequest, Team, columns_of, prepare
from parivision_core.nba.shots.kinds import KINDS
from parivision_core.nba.teams import FRANCHISE
from tests.core.nba.shots.history.test_feature_state import some_shots

FEATURE_STATE = feature_state.fold(feature_state.FeatureState(), some_shots(3000, 3))[1]
KNOWN_PLAYERS = FEATURE_STATE.sums["shooter"].keys.tolist()[1:]

places = st.one_of(st.integers(-250, 250), st.floats(-250, 250))
depths = st.one_of(st.integers(-52, 888), st.floats(-52, 888), st.sampled_from([88, 138, 420]))
teams = st.one_of(st.none(), st.sampled_from([team.value for team in Team]), st.sampled_from(["LAL", "GSW", "BOS"]))
requests = st.fixed_dictionaries(
    {"x": places, "y": depths, "period": st.integers(1, 14), "seconds_remaining": st.floats(0, 300)},
    optional={
        "player_id": st.one_of(st.sampled_from(KNOWN_PLAYERS), st.integers(1, 2**53 - 1)),
        "team": teams,
        "opponent": teams,
        "arena": teams,
        "home": st.booleans(),
        "rest_days": st.integers(1, 400),
        "kind": st.sampled_from(KINDS),
    },
)


def framed(request: ShotRequest) -> tuple[np.ndarray, np.ndarray, feature_state.History]:
    columns = columns_of(request)
    history = feature_state.look_up(FEATURE_STATE, columns)
    return *features.build(columns, history), history


@given(requests)
def test_one_row_equals_the_frame(asked: dict[str, Any]) -> None:
    request = msgspec.convert(asked, ShotRequest)
    matrix, offset, history = framed(request)
    prepared = prepare(request, FEATURE_STATE)
    np.testing.assert_array_max_ulp(prepared.features, matrix, maxulp=1)  # numpy's arctan2 may round otherwise
    assert prepared.offset == offset
    assert prepared.points == history.spots.points[0]
    details = msgspec.to_builtins(prepared.details)
    assert details["zone"] == history.spots.zone[0]
    assert details["shooter_shots"] == history.sums["shooter"][0, 2]


@given(requests)
def test_keys_equal_those_of_the_fold(asked: dict[str, Any]) -> None:
    request = msgspec.convert(asked, ShotRequest)
    columns = columns_of(request)
    spots = court.locate(columns["x"], columns["y"])
    expected = {name: int(key[0]) for name, key in families.keys_of(columns, spots).items()}
    codes = (FRANCHISE.get(str(columns[name][0]), 0) for name in ("team", "opponent", "arena"))
    distance, _, zone = single.locate(request.x, request.y)
    kind = int(families.kind_codes(columns["kind"])[0])
    keys = single.keys_of(request.x, request.y, distance, zone, request.player_id or 0, *codes, kind)
    assert dict(zip(families.FAMILIES, keys, strict=True)) == expected


def test_features_take_the_families_in_their_order() -> None:
    assert tuple(features.FEATURE_STATES.values()) == tuple(families.FAMILIES)


@pytest.mark.parametrize("step", [1, 0.5])
def test_every_spot_lies_in_the_same_zone(step: float) -> None:
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(-250, 250.1, step), np.arange(-52, 430, step)))
    spots = court.locate(x, y)
    found = [single.locate(*place) for place in zip(x.tolist(), y.tolist(), strict=True)]
    distance, angle, zone = (np.array(column) for column in zip(*found, strict=True))
    np.testing.assert_array_equal(zone, spots.zone)
    np.testing.assert_array_equal(distance, spots.distance)
    np.testing.assert_allclose(angle, court.angle(x, y), rtol=1e-14)
