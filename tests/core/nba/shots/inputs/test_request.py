"""The request about a shot: known and unknown shooters, contradictions, and what the game so far adds."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from parivision_assets.steps.feed.identity import identify
from parivision_core.nba.shots import NBA
from parivision_core.nba.shots.history import feature_state
from parivision_core.nba.shots.inputs.request import PROFILES, ShotDetails, ShotRequest, prepare, problems
from tests.helpers.shot_columns import some_shots

SPOT = {"x": 10, "y": 60, "period": 2, "seconds_remaining": 300}
EARLIER = {"x": 5, "y": 5, "period": 1, "seconds_remaining": 100, "made": True, "player_id": 2, "team": "LAL"}

TOO_LONG = {"period": 5, "seconds_remaining": 400}


@pytest.fixture(scope="module")
def current() -> feature_state.FeatureState:
    return feature_state.fold(feature_state.FeatureState(), some_shots(400, 6))[1]


def request_of(**changes: Any) -> ShotRequest:
    return msgspec.convert(SPOT | changes, ShotRequest)


def features_of(current: feature_state.FeatureState, **changes: Any) -> dict[str, float]:
    prepared = prepare(request_of(**changes), current)
    return dict(zip(NBA.feature_names, prepared.features[0].tolist(), strict=True))


@pytest.mark.parametrize(("player", "known"), [(None, "not given"), (3, "known"), (999, "unknown")])
def test_the_answer_says_whether_the_shooter_is_known(
    current: feature_state.FeatureState, player: int | None, known: str
) -> None:
    details = prepare(request_of(player_id=player), current).details
    assert isinstance(details, ShotDetails)
    assert details.shooter == known
    assert (details.shooter_shots > 0) == (known == "known")


def test_an_unknown_shooter_counts_as_an_average_one(current: feature_state.FeatureState) -> None:
    assert features_of(current, player_id=999) == features_of(current)


def test_the_game_so_far_is_used_whatever_its_order(current: feature_state.FeatureState) -> None:
    later = EARLIER | {"period": 2, "seconds_remaining": 310, "made": False}
    one, other = (
        features_of(current, player_id=2, team="LAL", earlier_shots=s) for s in ([EARLIER, later], [later, EARLIER])
    )
    assert one == other
    assert one["recency"] == pytest.approx(1 / 11)
    assert (one["last_made"], one["last_own"], one["shooter_shots_in_game"], one["margin"]) == (-1, 1, 2, 2)


def test_shots_still_to_come_are_ignored(current: feature_state.FeatureState) -> None:
    to_come = EARLIER | {"period": 3}
    assert features_of(current, earlier_shots=[EARLIER, to_come]) == features_of(current, earlier_shots=[EARLIER])


def test_a_game_without_shots_equals_an_unknown_game(current: feature_state.FeatureState) -> None:
    assert features_of(current, earlier_shots=[]) == features_of(current)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"period": 5, "seconds_remaining": 301}, ["seconds_remaining"]),
        ({"team": "BOS", "opponent": "BOS"}, ["opponent"]),
        ({"team": "BOS", "opponent": "LAL", "arena": "GSW"}, ["arena"]),
        ({"team": "BOS", "opponent": "LAL", "arena": "LAL"}, []),
        ({"arena": "GSW"}, []),
        ({"team": "BOS", "home": True, "arena": "LAL"}, ["arena"]),
        ({"opponent": "LAL", "home": False, "arena": "BOS"}, ["arena"]),
        ({"opponent": "LAL", "home": False, "arena": "LAL"}, []),
        ({"earlier_shots": [EARLIER, EARLIER | TOO_LONG]}, ["earlier_shots[1].seconds_remaining"]),
        ({"game_date": "2024-02-29"}, []),
        ({"game_date": "2023-02-29"}, ["game_date"]),
        ({"game_date": "0000-01-01"}, ["game_date"]),
    ],
)  # fmt: skip
def test_contradictions_name_their_field(changes: dict[str, Any], fields: list[str]) -> None:
    assert [problem.field for problem in problems(request_of(**changes))] == fields


IDENTITY = {"player_id": 2544, "game_date": "2023-04-09", "game_id": 22201230}


def test_what_identifies_a_shot_leaves_the_features_alone(current: feature_state.FeatureState) -> None:
    asked = {"player_id": 2544, "team": "LAL", "kind": "layup"}
    for context in ({}, {"earlier_shots": [EARLIER]}):
        assert features_of(current, **asked, **context) == features_of(current, **(asked | IDENTITY), **context)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        (IDENTITY, "2023-04-09:22201230:2544:2:300"),
        (IDENTITY | {"seconds_remaining": 300.0}, "2023-04-09:22201230:2544:2:300"),
        (IDENTITY | {"seconds_remaining": 300.4}, None),
        *((IDENTITY | {name: None}, None) for name in IDENTITY),
        ({}, None),
    ],
)
def test_a_shot_has_a_key_once_all_of_its_fields_are_given(changes: dict[str, Any], key: str | None) -> None:
    assert NBA.shot_key(request_of(**changes)) == key


def test_a_key_is_the_lakes_id_without_the_occurrence() -> None:
    row = {"game_date": "2023-04-09", "game_id": 22201230, "player_id": 2544, "period": 2, "seconds_remaining": 300}
    held = pd.DataFrame({"_id": pd.Series(dtype=str), "event_id": [], "stands": []})
    new = pd.DataFrame([row | {"x": 1, "y": 2, "made": 1, "event_id": -1}])
    (name,) = identify(new, held, NBA.identity, NBA.match)["_id"]
    assert name == f"{NBA.shot_key(request_of(**IDENTITY))}:0"


@pytest.mark.parametrize("day", ["2023-4-9", "2023-13-01", "2023-04-32", "09.04.2023", "2023-04-09\n", ""])
def test_a_day_is_an_iso_date(day: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="game_date"):
        request_of(game_date=day)


def test_profiles_leave_out_only_what_is_optional() -> None:
    assert sum(profile.share for profile in PROFILES.values()) == pytest.approx(1)
    optional = {field.name for field in msgspec.structs.fields(ShotRequest) if not field.required}
    assert set(NBA.masks) == optional - {"game_date", "game_id"}  # which name the shot and move nothing
    for profile in PROFILES.values():
        assert set(profile.leaves_out) <= optional


def test_each_row_follows_one_profile() -> None:
    rows = 40_000
    gone = NBA.left_out(rows, np.random.default_rng(0))
    anything = PROFILES["anything"].share
    for name in NBA.masks:
        expected = sum(profile.share * profile.leaves_out.get(name, 0) for profile in PROFILES.values())
        assert gone[name].mean() == pytest.approx(expected, abs=0.01)
    nothing = ~np.any(list(gone.values()), axis=0)
    assert nothing.mean() == pytest.approx(PROFILES["official record"].share + anything / 2 ** len(NBA.masks), abs=0.01)


def test_a_profile_without_context_keeps_the_spot(current: feature_state.FeatureState) -> None:
    shots = some_shots(50, 7)
    shots["game_date"] = np.full(50, "2023-03-01")
    matrix, _, _ = NBA.fold(current, shots)
    alone = NBA.masked_as("spot and clock alone", matrix)
    optional = {name for columns in NBA.masks.values() for name in columns}
    for at, name in enumerate(NBA.feature_names):
        assert (alone[:, at] == (0 if name in optional else matrix[:, at])).all(), name
