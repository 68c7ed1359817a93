"""Layouts and orientation: recognised by columns, proven by the shots, refused when nothing fits."""

import numpy as np
import pandas as pd
import pytest

from parivision_core.nba import court
from parivision_core.nba.shots.kinds import KINDS, kind_of
from parivision_core.nba.shots.source.parsing import parse
from parivision_core.nba.shots.source.placement import BASELINE_FEET, HOOP_TENTHS, infer_placement
from parivision_core.problems import BatchError
from tests.helpers import shots


def test_both_layouts_give_the_same_shots() -> None:
    frame = shots.season(games=8)
    one, other = parse(frame), parse(shots.as_kaggle(frame))
    assert (one.layout, other.layout) == ("season", "kaggle")
    assert not (one.reasons != "").any()
    assert not (other.reasons != "").any()
    same = [c for c in one.shots.columns if c != "event_id"]
    for column in same:
        assert (one.shots[column].to_numpy() == other.shots[column].to_numpy()).all(), column


@pytest.mark.parametrize(
    ("to_x", "to_y", "name"),
    [
        (lambda x: -x / 10, lambda y: y / 10 + 5.25, "feet from the baseline"),
        (lambda x: x / 10, lambda y: y / 10 + 5.25, "feet from the baseline"),
        (lambda x: x / 100, lambda y: (y / 10 + 5.25) / 10 + 5.25, "tens of feet from the baseline"),
        (lambda x: x, lambda y: y, "tenths of a foot from the hoop"),
        (lambda x: x / 10, lambda y: y / 10, "feet from the hoop"),
    ],
)
def test_unit_and_hand_are_found(to_x, to_y, name) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(0)
    x, y = rng.integers(-250, 251, 400), rng.integers(-40, 300, 400)
    placement = infer_placement(to_x(x), to_y(y), court.feet(x, y), np.sign(x))
    got_x, got_y = placement.apply(to_x(x), to_y(y))
    assert placement.unit.name == name
    assert np.array_equal(got_x, x)
    assert np.array_equal(got_y, y)


def test_coordinates_that_fit_no_unit_are_refused() -> None:
    frame = shots.season(games=4)
    frame["LOC_X"] = (frame["LOC_X"].astype(float) * 3.7).astype(str)
    with pytest.raises(BatchError, match=r"fit no known unit.*99 %"):
        parse(frame)


def test_sides_that_contradict_each_other_are_refused() -> None:
    frame = shots.season(games=4)
    rng = np.random.default_rng(0)
    frame["ZONE_NAME"] = rng.choice(["Left Side", "Right Side"], len(frame))
    with pytest.raises(BatchError, match="left and right contradict"):
        parse(frame)


def test_one_wrong_location_in_a_small_batch_is_quarantined_alone() -> None:
    frame = shots.season(games=1, shots=30)
    frame.loc[3, "LOC_Y"] = "80.0"
    frame.loc[3, "SHOT_DISTANCE"] = "4"
    parsed = parse(frame)
    assert [bool(r) for r in parsed.reasons].count(True) == 1
    assert "contradicts the location" in parsed.reasons[3]


BAD = {
    "PLAYER_ID": ("", "PLAYER_ID is missing"),
    "GAME_ID": ("x7", "GAME_ID='x7' is not a number"),
    "QUARTER": ("0", "period 0 does not exist"),
    "MINS_LEFT": ("13", "seconds left are more than the period has"),
    "SECS_LEFT": ("75", "the clock shows"),
    "LOC_X": ("nan", "LOC_X='nan' is not a number"),
    "SHOT_MADE": ("MAYBE", "SHOT_MADE='MAYBE' is neither made nor missed"),
    "SHOT_TYPE": ("4PT Field Goal", "is neither 2 nor 3 points"),
    "GAME_DATE": ("2022/10/18", "is not a date like %m-%d-%Y or %Y-%m-%d"),
    "TEAM_ID": ("17", "team id '17' is no franchise"),
    "HOME_TEAM": ("ZZZ", "home team 'ZZZ' is unknown"),
}


@pytest.mark.parametrize("column", BAD)
def test_a_bad_field_is_named(column: str) -> None:
    value, reason = BAD[column]
    frame = shots.season(games=2)
    frame.loc[5, column] = value
    parsed = parse(frame)
    assert reason in parsed.reasons[5], parsed.reasons[5]
    assert (parsed.reasons[np.arange(len(frame)) != 5] == "").all()


def test_an_unknown_layout_names_what_is_missing() -> None:
    with pytest.raises(
        BatchError, match=r"found the columns \['a', 'b'\], expected Game ID, .* or GAME_ID, .*; remove the file"
    ):
        parse(pd.DataFrame({"a": ["1"], "b": ["2"]}))
    with pytest.raises(BatchError, match=r"season layout but lacks the columns LOC_X, SHOT_MADE"):
        parse(shots.season(games=1).drop(columns=["LOC_X", "SHOT_MADE"]))


def test_position_columns_are_not_needed_and_order_is_free() -> None:
    frame = shots.season(games=2)
    assert "POSITION" not in frame.columns
    backwards = frame.iloc[::-1, ::-1]
    assert (parse(backwards).reasons == "").all()


def test_seasons_by_game_id_and_by_date() -> None:
    frame = shots.season(games=2)
    assert set(parse(frame).shots["season"]) == {2023}
    frame["GAME_ID"] = "77"
    assert set(parse(frame).shots["season"]) == {2023}


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("Tip Dunk Shot", "tip"),
        ("Running Alley Oop Dunk Shot", "dunk"),
        ("Driving Finger Roll Layup Shot", "layup"),
        ("Turnaround Bank Hook Shot", "hook"),
        ("Driving Floating Bank Jump Shot", "float"),
        ("Step Back Bank Jump Shot", "stepback"),
        ("Turnaround Fadeaway shot", "fadeaway"),
        ("Running Pull-Up Jump Shot", "pullup"),
        ("Jump Bank Shot", "jump"),
        ("Driving Bank shot", "jump"),
        ("No Shot", ""),
    ],
)
def test_kinds(action: str, kind: str) -> None:
    assert kind_of(action) == kind
    assert kind == "" or kind in KINDS


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("GAME_DATE", "11-10-2098", "lies in the future"),
        ("GAME_DATE", "04-13-1999", "is of another season than its date"),
        ("GAME_DATE", "01-01-1901", "before the league's first season"),
        ("GAME_ID", "0", "names no game"),
        ("GAME_ID", "-1", "names no game"),
        ("PLAYER_ID", "2.5", "is not a whole number"),
    ],
)
def test_an_absurd_value_is_kept_out(column: str, value: str, reason: str) -> None:
    frame = shots.season(games=2)
    frame.loc[5, column] = value
    parsed = parse(frame)
    assert reason in parsed.reasons[5]
    assert list(parsed.reasons).count("") == len(frame) - 1


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("2022-10-19", "2022-10-19"),
        ("2022-10-19 00:00", "2022-10-19"),
        ("2022-10-19 00:00:00.000000", "2022-10-19"),
        ("2022-10-19T00:00:00.000Z", "2022-10-19"),
        ("2022-10-19T00:00:00+00:00", "2022-10-19"),
        ("1666137600000", "2022-10-19"),
        ("1666137600000.0", "2022-10-19"),
        ("878256000000", "1997-10-31"),
    ],
)
@pytest.mark.parametrize("layout", ["season", "kaggle"])
def test_dates_as_programs_write_them_are_read_in_every_layout(layout: str, value: str, day: str) -> None:
    """Among others in the layout's own format; one of another season than its game costs its row, but is read."""
    frame = shots.season(games=1)
    frame = frame if layout == "season" else shots.as_kaggle(frame)
    frame.loc[5, "GAME_DATE" if layout == "season" else "Game Date"] = value
    parsed = parse(frame)
    assert parsed.shots["game_date"].tolist()[4:7] == ["2022-10-18", day, "2022-10-18"]
    assert "is of another season" in parsed.reasons[5] if day < "2000" else parsed.reasons[5] == ""


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("2022-10-18 19:30:00", "='2022-10-18 19:30:00' is a time of day, not a date alone"),
        ("2022-10-18T00:00:00.001Z", "is a time of day"),
        ("1666081800000", "is a time of day"),
        ("2022-10-18T00:00:00+02:00", "is not a date like"),
        ("2022-13-18", "is not a date like"),
        ("2022-10", "is not a date like"),
        ("202210180000", "is not a date like"),
        ("16660512000", "is not a date like"),
        ("9999999999999", "is not a date like"),
        ("-666051200000", "is not a date like"),
        ("", "is not a date like"),
        ("4099680000000", "lies in the future"),
        ("-", "is not a date like"),
    ],
)
@pytest.mark.parametrize("layout", ["season", "kaggle"])
def test_a_date_that_is_none_has_its_reason(layout: str, value: str, reason: str) -> None:
    frame = shots.season(games=1)
    frame = frame if layout == "season" else shots.as_kaggle(frame)
    frame.loc[5, "GAME_DATE" if layout == "season" else "Game Date"] = value
    parsed = parse(frame)
    assert reason in parsed.reasons[5]
    assert list(parsed.reasons).count("") == len(frame) - 1


def test_the_other_layouts_dates_are_not_guessed() -> None:
    frame = shots.season(games=1)
    frame.loc[5, "GAME_DATE"] = "20221018"
    other = shots.as_kaggle(shots.season(games=1))
    other.loc[5, "Game Date"] = "10-18-2022"
    assert all("is not a date like" in parse(f).reasons[5] for f in (frame, other))


@pytest.mark.parametrize("value", ["inf", "12.7", "1e300", "x"])
def test_an_absurd_event_id_costs_its_row_alone(value: str) -> None:
    frame = shots.as_kaggle(shots.season(games=2))
    frame.loc[5, "Game Event ID"] = value
    frame.loc[6, "Game Event ID"] = ""
    parsed = parse(frame)
    assert "Game Event ID" in parsed.reasons[5]
    assert parsed.reasons[6] == ""
    assert parsed.shots["event_id"][6] == -1


def test_numbers_saved_with_decimals_are_understood() -> None:
    frame = shots.as_kaggle(shots.season(games=2))
    for column in ("Game ID", "Player ID", "Shot Made Flag", "Game Date", "Period"):
        frame[column] += ".0"
    assert (parse(frame).reasons == "").all()


def test_a_single_shot_under_the_rim_keeps_its_layouts_unit() -> None:
    """With a stated distance of 0 every unit agrees."""
    frame = shots.season(games=1, shots=1)
    frame["LOC_X"], frame["LOC_Y"], frame["SHOT_DISTANCE"], frame["ZONE_NAME"] = "0.4", "5.45", "0", "Center"
    frame["SHOT_TYPE"] = "2PT Field Goal"
    shot = parse(frame).shots.iloc[0]
    assert (shot["x"], shot["y"]) == (-4, 2)
    assert parse(shots.as_kaggle(frame)).shots.iloc[0]["x"] == -4


def test_too_few_shots_to_tell_two_units_apart_are_refused() -> None:
    one = np.array([0.5]), np.array([5.75]), np.array([0]), np.array([0])
    with pytest.raises(BatchError, match="too few to tell"):
        infer_placement(*one, (BASELINE_FEET, HOOP_TENTHS))


@pytest.mark.parametrize(("column", "value"), [("PLAYER_NAME", "Pl\0yer"), ("ACTION_TYPE", "Jump\0Shot")])
def test_a_nul_in_free_text_breaks_its_row(column: str, value: str) -> None:
    frame = shots.season(games=1)
    frame.loc[7, column] = value
    assert [reason for reason in parse(frame).reasons if reason] == [f"{column}={value!r} holds a NUL"]
