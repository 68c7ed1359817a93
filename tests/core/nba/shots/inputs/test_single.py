"""The features of one shot, built in plain Python, equal those of the vectorised builder that training uses."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given

from parivision_core.nba import court
from parivision_core.nba.shots.history import families, feature_state
from parivision_core.nba.shots.inputs import features, single
from parivision_core.nba.shots.inputs.request import ShotRequest, prepare, shot_columns
from parivision_core.nba.teams import FRANCHISE
from tests.helpers.shot_requests import FEATURE_STATE, requests


def framed(request: ShotRequest) -> tuple[np.ndarray, np.ndarray, feature_state.History]:
    columns = shot_columns(request)
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
    columns = shot_columns(request)
    spots = court.locate(columns["x"], columns["y"])
    expected = {name: int(key[0]) for name, key in families.keys_of(columns, spots).items()}
    codes = (FRANCHISE.get(str(columns[name][0]), 0) for name in ("team", "opponent", "arena"))
    distance, _, zone = single.locate(request.x, request.y)
    kind = int(families.kind_codes(columns["kind"])[0])
    keys = single.keys_of(request.x, request.y, distance, zone, request.player_id or 0, *codes, kind)
    assert dict(zip(families.FAMILIES, keys, strict=True)) == expected


def test_features_take_the_families_in_their_order() -> None:
    assert tuple(features.RESIDUALS.values()) == tuple(families.FAMILIES)


@pytest.mark.parametrize("step", [1, 0.5])
def test_every_spot_lies_in_the_same_zone(step: float) -> None:
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(-250, 250.1, step), np.arange(-52, 430, step)))
    spots = court.locate(x, y)
    found = [single.locate(*place) for place in zip(x.tolist(), y.tolist(), strict=True)]
    distance, angle, zone = (np.array(column) for column in zip(*found, strict=True))
    np.testing.assert_array_equal(zone, spots.zone)
    np.testing.assert_array_equal(distance, spots.distance)
    np.testing.assert_allclose(angle, court.angle(x, y), rtol=1e-14)
