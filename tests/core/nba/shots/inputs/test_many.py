"""Many shots at once: the same inputs as one by one, and no problem of a single request overlooked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parivision_core.fields import columns_of, fields_of
from parivision_core.nba.shots import NBA
from parivision_core.nba.shots.history import feature_state
from parivision_core.nba.shots.inputs.many import doubtful, prepare_many, shot_keys
from parivision_core.nba.shots.inputs.request import ShotRequest, prepare, problems, shot_key
from parivision_core.nba.teams import ABBREVIATIONS
from tests.helpers.shot_requests import FEATURE_STATE, requests

FIELDS = fields_of(ShotRequest)

earlier = st.fixed_dictionaries(
    {
        "x": st.integers(-250, 250),
        "y": st.integers(-52, 888),
        "period": st.integers(1, 6),
        "seconds_remaining": st.integers(0, 400),
        "made": st.booleans(),
    },
    optional={"player_id": st.sampled_from([1, 2, 3]), "team": st.sampled_from(["LAL", "GSW", None])},
)
games = st.one_of(st.none(), st.lists(earlier, max_size=4))
shots = st.builds(
    lambda shot, game, named: shot | {"earlier_shots": game} | named,
    requests,
    games,
    st.sampled_from(
        [
            {},
            {"game_date": "2023-01-05"},
            {"game_id": 7},
            {"game_date": "2023-01-05", "game_id": 7},
            {"game_date": "2023-02-31"},
        ]
    ),
)


def asked(rows: list[dict[str, Any]]) -> list[ShotRequest]:
    return msgspec.convert(rows, list[ShotRequest])


@given(st.lists(shots, min_size=1, max_size=8))
def test_many_are_prepared_as_one_by_one(rows: list[dict[str, Any]]) -> None:
    some = asked(rows)
    together = prepare_many(columns_of(FIELDS, some), FEATURE_STATE)
    for row, request in enumerate(some):
        alone = prepare(request, FEATURE_STATE)
        np.testing.assert_array_max_ulp(together.features[row : row + 1], alone.features, maxulp=1)
        assert together.offset[row] == alone.offset[0]
        assert together.points[row] == alone.points
        assert together.league_average[row] == pytest.approx(alone.league_average, rel=1e-14)


@given(st.lists(shots, max_size=8))
def test_a_request_that_is_not_doubtful_has_no_problem(rows: list[dict[str, Any]]) -> None:
    some = asked(rows)
    doubt = doubtful(columns_of(FIELDS, some)) if some else []
    for request, doubted in zip(some, doubt, strict=True):
        assert doubted or not problems(request)


@given(st.lists(shots, max_size=8))
def test_the_keys_are_those_of_single_requests(rows: list[dict[str, Any]]) -> None:
    some = asked(rows)
    assert shot_keys(columns_of(FIELDS, some)) == [(i, key) for i, one in enumerate(some) if (key := shot_key(one))]


def test_a_game_so_far_is_its_own_shots_alone() -> None:
    """Two requests of one game that give different earlier shots don't share them."""
    before = {"x": 10, "y": 20, "period": 1, "seconds_remaining": 700, "made": True, "team": "LAL", "player_id": 2}
    shot = {"x": 0, "y": 50, "period": 1, "seconds_remaining": 600, "team": "LAL", "player_id": 2}
    some = asked([shot | {"earlier_shots": game} for game in ([before], [], [before, before | {"made": False}], None)])
    together = prepare_many(columns_of(FIELDS, some), FEATURE_STATE).features
    margin, so_far = (NBA.feature_names.index(name) for name in ("margin", "shooter_shots_in_game"))
    assert together[:, margin].tolist() == [2, 0, 2, 0]
    assert together[:, so_far].tolist() == [1, 0, 2, 0]


@pytest.mark.real
def test_real_shots_are_prepared_as_one_by_one(real_data: Path) -> None:
    raw = pd.read_csv(real_data / "NBA Shot Locations 1997 - 2020 (sample).csv", dtype=str, keep_default_na=False)
    parsed = NBA.parse(raw)
    frame = parsed.shots[parsed.reasons == ""].sort_values("game_date", kind="stable")
    shots = {name: frame[name].to_numpy() for name in frame}
    current = feature_state.fold(feature_state.FeatureState(), shots)[1]
    today = {name: names[0] for names in ABBREVIATIONS.values() for name in names}
    rows = [
        {
            "x": int(shot.x),
            "y": int(shot.y),
            "period": int(shot.period),
            "seconds_remaining": int(shot.seconds_remaining),
            "player_id": int(shot.player_id),
            "team": today[shot.team],
            "opponent": today[shot.opponent],
            "home": bool(shot.home),
            "arena": today[shot.team if shot.home else shot.opponent],
            "kind": shot.kind or None,
        }
        for shot in frame.itertuples()
    ]
    some = asked(rows)
    assert len(some) > 5000
    together = prepare_many(columns_of(FIELDS, some), current)
    alone = [prepare(request, current) for request in some]
    np.testing.assert_array_max_ulp(together.features, np.concatenate([one.features for one in alone]), maxulp=1)
    assert together.offset.tolist() == [one.offset[0] for one in alone]
    assert together.points.tolist() == [one.points for one in alone]
