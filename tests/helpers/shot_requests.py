"""Requests about single shots, generated, and a feature state that knows some of their shooters."""

from __future__ import annotations

from hypothesis import strategies as st

from parivision_core.nba.shots.history import feature_state
from parivision_core.nba.shots.inputs.request import Team
from parivision_core.nba.shots.kinds import KINDS
from tests.helpers.shot_columns import some_shots

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
"""Requests as JSON objects."""
