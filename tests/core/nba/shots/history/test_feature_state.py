"""The feature state equals a plain loop over days, never sees the future, and is the same for one row and many."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parivision_core.arrays import Columns
from parivision_core.nba import court
from parivision_core.nba.shots import NBA
from parivision_core.nba.shots.history import feature_state, in_game
from parivision_core.nba.shots.history.families import FAMILIES, KIND, keys_of, team_codes
from parivision_core.nba.shots.history.in_game import NAMES as IN_GAME
from parivision_core.nba.shots.inputs import features
from parivision_core.nba.shots.inputs.request import ShotRequest, prepare, shot_columns
from parivision_core.records import FeatureStateRecord
from parivision_core.scoring import sigmoid
from tests.helpers.shot_columns import asked_about, earlier, some_shots, take


def looped(shots: Columns, name: str) -> np.ndarray:
    """Sums before each shot's day of one family, by a plain loop over pairs of shots."""
    family = FAMILIES[name]
    columns = shots | {"arena": feature_state.arena_of(shots)}
    key = keys_of(columns, court.locate(shots["x"], shots["y"]))[name]
    history, _ = feature_state.fold(feature_state.FeatureState(), shots)
    shift = history.strength(KIND) if family.of_kind else 0
    p = sigmoid(history.base_logit + shift)
    value = np.column_stack([shots["made"] - p, p * (1 - p), np.ones(len(p))])
    day = np.unique(shots["game_date"], return_inverse=True)[1]
    out = np.zeros((len(key), 3))
    for i in range(len(key)):
        for j in range(len(key)):
            if key[j] == key[i] > 0 and day[j] < day[i]:
                out[i] += value[j] * family.decay ** (day[i] - day[j] - 1)
    return out


@pytest.mark.parametrize("name", FAMILIES)
def test_the_fold_equals_a_plain_loop(name: str) -> None:
    shots = some_shots(150, 2)
    history, _ = feature_state.fold(feature_state.FeatureState(), shots)
    assert np.allclose(history.sums[name], looped(shots, name), atol=1e-12)
    assert (history.sums[name][:, 2] > 0).any()


def test_folding_in_stretches_equals_folding_at_once() -> None:
    shots = some_shots(400, 1)
    whole, after = feature_state.fold(feature_state.FeatureState(), shots)
    first = shots["game_date"] < "2023-01-06"
    early, middle = feature_state.fold(feature_state.FeatureState(), take(shots, first))
    late, end = feature_state.fold(middle, take(shots, ~first))
    assert end.directory == after.directory
    both = feature_state.History.joined([early, late])
    assert np.array_equal(both.base_logit, whole.base_logit)
    assert np.array_equal(both.rest_days, whole.rest_days)
    assert all(np.array_equal(both.in_game[name], whole.in_game[name]) for name in IN_GAME)
    for family in FAMILIES:
        assert np.array_equal(both.sums[family], whole.sums[family])
        assert np.array_equal(end.sums[family].keys, after.sums[family].keys)
        assert np.array_equal(end.sums[family].values, after.sums[family].values)
    assert end.record().stamp == after.record().stamp


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_the_future_leaves_features_as_they_are(seed: int) -> None:
    """Every later shot altered or removed, of later days and of the same game, base table included."""
    shots = some_shots(150, seed)
    rng = np.random.default_rng(seed)
    at = int(rng.integers(len(shots["made"])))
    moment = in_game.elapsed(shots["period"], shots["seconds_remaining"])
    same_day = shots["game_date"] == shots["game_date"][at]
    same_game = same_day & (shots["game_id"] == shots["game_id"][at])
    later = (shots["game_date"] > shots["game_date"][at]) | (same_day & ~same_game)
    later |= same_game & (moment >= moment[at])
    later[at] = False
    changed = {name: column.copy() for name, column in shots.items()}
    changed["made"][later] = 1 - changed["made"][later]
    changed["x"][later] = 0
    changed["player_id"][later] = 3
    changed["team"][later] = "BOS"
    changed["made"][at] = 1 - changed["made"][at]
    rows = np.flatnonzero(~later)
    expected, offset, _ = NBA.fold(NBA.empty_feature_state(), shots)
    for other, row in ((changed, at), (take(shots, rows), int(np.searchsorted(rows, at)))):
        features, base, _ = NBA.fold(NBA.empty_feature_state(), other)
        assert np.allclose(features[row], expected[at], atol=1e-6, rtol=0)
        assert base[row] == offset[at]


def test_shots_of_one_day_see_only_their_own_game_so_far() -> None:
    shots = some_shots(50, 3, days=1)
    history, _ = feature_state.fold(feature_state.FeatureState(), shots)
    assert all((history.sums[family] == 0).all() for family in FAMILIES)
    assert (history.in_game["shooter_shots_in_game"] > 0).any()


def test_unknown_players_and_teams_gather_no_history() -> None:
    history, after = feature_state.fold(feature_state.FeatureState(), some_shots(300, 4))
    shots = some_shots(300, 4)
    assert (history.sums["shooter"][shots["player_id"] == 0] == 0).all()
    assert (history.sums["opponent_zone"][shots["opponent"] == ""] == 0).all()
    assert all((after.sums[family].values[0] == 0).all() for family in FAMILIES)


def test_only_later_shots_can_be_folded_on_top() -> None:
    shots = some_shots(50, 5)
    _, after = feature_state.fold(feature_state.FeatureState(), shots)
    with pytest.raises(ValueError, match="already holds"):
        feature_state.fold(after, shots)


def test_a_franchise_that_moved_stays_itself() -> None:
    assert list(team_codes(np.array(["SEA", "OKC", "XXX", ""]))) == [1610612760, 1610612760, 0, 0]


def test_one_row_lookup_equals_the_frame_builder() -> None:
    """What serving does for one request is what training saw for the same shot at the same moment."""
    shots = some_shots(400, 6)
    last = shots["game_date"] == shots["game_date"][-1]
    _, before = feature_state.fold(feature_state.FeatureState(), take(shots, ~last))
    frame, offset, _ = NBA.fold(before, take(shots, last))
    rows = np.flatnonzero(last)
    assert len(rows) > 10
    rest = feature_state.fold(before, take(shots, last))[0].rest_days
    for at, row in enumerate(rows):
        so_far = [r for r in rows if shots["game_id"][r] == shots["game_id"][row] and r != row]
        asked = asked_about(shots, row) | {"rest_days": int(rest[at]) or None}
        prepared = prepare(msgspec.convert(asked | earlier(shots, so_far), ShotRequest), before)
        assert np.allclose(prepared.features[0], frame[at], atol=1e-6, rtol=0)
        assert prepared.offset[0] == offset[at]


def test_a_feature_state_survives_its_record() -> None:
    _, after = feature_state.fold(feature_state.FeatureState(schema="s"), some_shots(200, 7))
    record = after.record()
    again = feature_state.FeatureState.from_record(record)
    assert again.record().stamp == record.stamp
    assert isinstance(record, FeatureStateRecord)
    assert (record.schema, record.through, record.shots) == ("s", after.through, 200)
    request = ShotRequest(x=10, y=20, period=1, seconds_remaining=30, player_id=3)
    columns = shot_columns(request)
    assert (
        feature_state.look_up(after, columns).sums["shooter"].tolist()
        == feature_state.look_up(again, columns).sums["shooter"].tolist()
    )


def test_a_name_is_part_of_the_stamp() -> None:
    shots = some_shots(100, 13)
    renamed = shots | {"player_name": np.array(["Someone Else"] * 100)}
    one, other = (feature_state.fold(feature_state.FeatureState(), columns)[1].record() for columns in (shots, renamed))
    assert one.stamp != other.stamp
    assert feature_state.FeatureState.from_record(one).record().stamp == one.stamp


def test_feature_state_moves_the_right_way() -> None:
    shots = some_shots(2000, 8)
    shots["made"] = (shots["player_id"] == 1).astype(int)
    history, after = feature_state.fold(feature_state.FeatureState(), shots)
    assert history.strength("shooter")[-200:][shots["player_id"][-200:] == 1].min() > 0.3
    assert history.strength("shooter")[-200:][shots["player_id"][-200:] == 2].max() < -0.3
    assert after.shots == 2000


def test_features_are_finite_and_named() -> None:
    matrix, offset, _ = NBA.fold(NBA.empty_feature_state(), some_shots(100, 9))
    assert matrix.shape == (100, len(features.NAMES))
    assert np.isfinite(matrix).all()
    assert np.isfinite(offset).all()
    assert len(set(features.NAMES)) == len(features.NAMES)


def test_masking_equals_leaving_the_input_out() -> None:
    """Training masks columns; a caller leaves inputs out: both must give the same row."""
    shots = some_shots(300, 10)
    shots["player_id"] = np.maximum(shots["player_id"], 1)
    last = shots["game_date"] == shots["game_date"][-1]
    _, before = feature_state.fold(feature_state.FeatureState(), take(shots, ~last))
    now = take(shots, last)
    now |= {"arena": feature_state.arena_of(now), "rest_days": np.full(len(now["x"]), 2)}
    left_out = {"player_id": 0, "team": "", "opponent": "", "home": -1, "kind": "", "arena": "", "rest_days": 0}
    full = features.build(now, feature_state.look_up(before, now))[0]
    for name, empty in left_out.items():
        asked = {**now, name: np.full(len(now["x"]), empty)}
        assert np.array_equal(
            NBA.mask(full, {name: np.ones(len(full), dtype=bool)}),
            features.build(asked, feature_state.look_up(before, asked))[0],
        ), name
    alone = {name: column for name, column in now.items() if name != "made"}
    game = {"earlier_shots": np.ones(len(full), dtype=bool)}
    assert np.array_equal(NBA.mask(full, game), features.build(alone, feature_state.look_up(before, alone))[0])
    assert set(NBA.masks) == {*left_out, "earlier_shots"}


def test_zone_parts_follow_each_other() -> None:
    assert NBA.part_of("2020-10-11") == "2020"
    assert NBA.part_of("2020-10-13") == NBA.part_of("2021-05-16") == "2021"
    assert NBA.part_bounds("2021") == ("2020-10-13", "2021-10-12")


def test_breakdown_counts_every_shot() -> None:
    shots = some_shots(500, 11)
    groups = NBA.breakdown(shots)
    assert sum(count for _, count, _ in groups) == 500
    zone = court.zone(shots["x"], shots["y"])
    assert groups[0][1] == int((zone == 1).sum())
