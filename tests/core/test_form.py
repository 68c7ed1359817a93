"""The form: equal to a plain loop over days, blind to the future, and the same for one row and many."""

import io

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parivision_core.nba import NBA, court, features, form
from parivision_core.nba.request import ShotRequest, columns_of, prepare
from parivision_core.records import FormRecord

TEAMS = np.array(["BOS", "LAL", "GSW", ""])


def some_shots(n: int, seed: int, days: int = 12) -> form.Columns:
    rng = np.random.default_rng(seed)
    date = np.array([f"2023-01-{d + 1:02d}" for d in np.sort(rng.integers(0, days, n))])
    return {
        "game_date": date,
        "x": rng.integers(-250, 251, n),
        "y": rng.integers(-52, 300, n),
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


def take(shots: form.Columns, rows: np.ndarray) -> form.Columns:
    return {name: column[rows] for name, column in shots.items()}


def naive_sums(key: np.ndarray, day: np.ndarray, values: np.ndarray) -> np.ndarray:
    out = np.zeros_like(values)
    for i in range(len(key)):
        for j in range(len(key)):
            if key[j] == key[i] and day[j] < day[i]:
                out[i] += values[j]
    return out


@given(st.integers(0, 10_000), st.integers(0, 60))
def test_the_kernel_equals_a_plain_loop(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    key, day, values = rng.integers(0, 4, n), rng.integers(0, 5, n), rng.normal(size=(n, 2))
    assert np.allclose(form.sums_before(key, day, values), naive_sums(key, day, values))


def test_folding_in_stretches_equals_folding_at_once() -> None:
    shots = some_shots(400, 1)
    whole, after = form.fold(form.Form(), shots)
    first = shots["game_date"] < "2023-01-06"
    early, middle = form.fold(form.Form(), take(shots, first))
    late, end = form.fold(middle, take(shots, ~first))
    assert end.directory == after.directory
    assert np.allclose(np.r_[early.base_logit, late.base_logit], whole.base_logit, atol=1e-12)
    for family in form.FAMILIES:
        assert np.allclose(np.vstack([early.sums[family], late.sums[family]]), whole.sums[family], atol=1e-9)
        assert np.array_equal(end.keys[family], after.keys[family])
        assert np.allclose(end.sums[family], after.sums[family], atol=1e-9)


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_the_future_leaves_features_as_they_are(seed: int) -> None:
    shots = some_shots(150, seed)
    changed = {name: column.copy() for name, column in shots.items()}
    later = shots["game_date"] > "2023-01-06"
    changed["made"][later] = 1 - changed["made"][later]
    changed["x"][later] = 0
    before = ~later
    one, _ = form.fold(form.Form(), shots)
    other, _ = form.fold(form.Form(), changed)
    removed, _ = form.fold(form.Form(), take(shots, before))
    for history in (other, removed):
        rows = before if history is other else slice(None)
        assert np.allclose(one.base_logit[before], history.base_logit[rows], atol=1e-12, rtol=0)
        for family in form.FAMILIES:
            # Sums run over all keys at once, so a change elsewhere may move the last bit of a float.
            assert np.allclose(one.sums[family][before], history.sums[family][rows], atol=1e-9, rtol=0)


def test_shots_of_one_day_know_nothing_of_each_other() -> None:
    shots = some_shots(50, 3, days=1)
    history, _ = form.fold(form.Form(), shots)
    assert all((history.sums[family] == 0).all() for family in form.FAMILIES)


def test_unknown_players_and_teams_gather_no_history() -> None:
    history, after = form.fold(form.Form(), some_shots(300, 4))
    shots = some_shots(300, 4)
    assert (history.sums["shooter"][shots["player_id"] == 0] == 0).all()
    assert (history.sums["opponent_zone"][shots["opponent"] == ""] == 0).all()
    assert all((after.keys[family] > 0).all() for family in form.FAMILIES)


def test_only_later_shots_can_be_folded_on_top() -> None:
    shots = some_shots(50, 5)
    _, after = form.fold(form.Form(), shots)
    with pytest.raises(ValueError, match="already holds"):
        form.fold(after, shots)


def test_a_franchise_that_moved_stays_itself() -> None:
    assert list(form.team_codes(np.array(["SEA", "OKC", "XXX", ""]))) == [1610612760, 1610612760, 0, 0]


def test_one_row_lookup_equals_the_frame_builder() -> None:
    """What serving does for one request is what training saw for the same shot at the same moment."""
    shots = some_shots(400, 6)
    last = shots["game_date"] == shots["game_date"][-1]
    _, before = form.fold(form.Form(), take(shots, ~last))
    frame, offset, _ = NBA.fold(before, take(shots, last))
    rows = np.flatnonzero(last)
    assert len(rows) > 10
    for at, row in enumerate(rows):
        asked = {name: shots[name][row].item() for name in ("x", "y", "period", "seconds_remaining")}
        asked |= {name: shots[name][row].item() or None for name in ("player_id", "team", "opponent", "kind")}
        asked["home"] = None if shots["home"][row] < 0 else bool(shots["home"][row])
        prepared = prepare(msgspec.convert(asked, ShotRequest), before)
        assert np.array_equal(prepared.features[0], frame[at])
        assert prepared.offset[0] == offset[at]


def test_a_form_survives_its_record() -> None:
    _, after = form.fold(form.Form(schema="s"), some_shots(200, 7))
    record = after.record()
    again = form.Form.from_record(record)
    assert again.record().stamp == record.stamp
    assert isinstance(record, FormRecord)
    assert (record.schema, record.through, record.shots) == ("s", after.through, 200)
    request = ShotRequest(x=10, y=20, period=1, seconds_remaining=30, player_id=3)
    columns = columns_of(request)
    assert (
        form.look_up(after, columns).sums["shooter"].tolist() == form.look_up(again, columns).sums["shooter"].tolist()
    )


def test_a_form_of_the_time_before_names_goes_on() -> None:
    shots = some_shots(400, 12)
    first = shots["game_date"] < "2023-01-06"
    _, known = form.fold(form.Form(schema="s"), take(shots, first))
    record = known.record()
    old = form.Form.from_record(msgspec.structs.replace(record, payload=without_names(record.payload)))
    assert (old.through, old.shots, old.roster.find("", 50)) == (known.through, known.shots, [])
    (history, after), (expected, _) = form.fold(old, take(shots, ~first)), form.fold(known, take(shots, ~first))
    assert all(np.array_equal(history.sums[family], expected.sums[family]) for family in form.FAMILIES)
    names = {player.name: player.shots for player in after.roster.find("", 50)}
    assert names == {f"Player {p}": (shots["player_id"] == p).sum() for p in range(1, 6)}


def without_names(payload: bytes) -> bytes:
    """A form's payload as it was written when forms knew no names."""
    with np.load(io.BytesIO(payload)) as data:
        old = {name: array for name, array in data.items() if name != "directory"}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **old)
    return buffer.getvalue()


def test_a_name_is_part_of_the_stamp() -> None:
    shots = some_shots(100, 13)
    renamed = shots | {"player_name": np.array(["Someone Else"] * 100)}
    one, other = (form.fold(form.Form(), columns)[1].record() for columns in (shots, renamed))
    assert one.stamp != other.stamp
    assert form.Form.from_record(one).record().stamp == one.stamp


def test_form_moves_the_right_way() -> None:
    shots = some_shots(2000, 8)
    shots["made"] = (shots["player_id"] == 1).astype(int)
    history, after = form.fold(form.Form(), shots)
    assert history.strength("shooter")[-200:][shots["player_id"][-200:] == 1].min() > 0.3
    assert history.strength("shooter")[-200:][shots["player_id"][-200:] == 2].max() < -0.3
    assert after.shots == 2000


def test_features_are_finite_and_named() -> None:
    matrix, offset, _ = NBA.fold(NBA.empty_form(), some_shots(100, 9))
    assert matrix.shape == (100, len(features.NAMES))
    assert np.isfinite(matrix).all()
    assert np.isfinite(offset).all()
    assert len(set(features.NAMES)) == len(features.NAMES)


def test_masking_equals_leaving_the_input_out() -> None:
    """Training masks columns; a caller leaves inputs out: both must give the same row."""
    shots = some_shots(300, 10)
    shots["player_id"] = np.maximum(shots["player_id"], 1)
    last = shots["game_date"] == shots["game_date"][-1]
    _, before = form.fold(form.Form(), take(shots, ~last))
    now = take(shots, last)
    left_out = {"player_id": 0, "team": "", "opponent": "", "home": -1, "kind": ""}
    full = features.build(now, form.look_up(before, now))[0]
    for name, empty in left_out.items():
        asked = {**now, name: np.full(len(now["x"]), empty)}
        assert np.array_equal(
            NBA.mask(full, {name: np.ones(len(full), dtype=bool)}),
            features.build(asked, form.look_up(before, asked))[0],
        ), name


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
