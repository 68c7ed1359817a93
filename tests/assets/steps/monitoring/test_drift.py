"""Drift reports on made-up games: what raises an alarm, how thresholds are measured, and what the page contains."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from html import escape

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parivision_assets.steps.monitoring.columns import (
    EXCESS,
    MADE,
    MARGINS,
    DriftColumn,
    before_and_after,
    excess_log_loss,
    expected_log_loss,
    read_columns,
    report_columns,
)
from parivision_assets.steps.monitoring.drift import Drift
from parivision_assets.steps.monitoring.evidently_report import compare
from parivision_assets.steps.monitoring.noise import in_order, tally, thresholds
from parivision_core.arrays import Columns
from parivision_core.nba.shots import NBA
from parivision_core.nba.shots.monitored import NEITHER
from parivision_core.problems import NotEnoughGamesError, StoreError
from parivision_core.scoring import logit, sigmoid
from tests.helpers.made_up_warehouse import (
    CHAMPION,
    FIRST,
    FITTED_UNTIL,
    SEEN_UNTIL,
    SHOTS,
    MemoryWarehouse,
    champion,
    drifted,
    made_up_warehouse,
    report,
)


@cache
def unchanged() -> MemoryWarehouse:
    return made_up_warehouse()


@cache
def reported(change: Callable[[Columns, np.ndarray], None] | None = None) -> Drift:
    return report(unchanged() if change is None else made_up_warehouse(change), CHAMPION)


def other_shots(columns: Columns, new: np.ndarray) -> None:
    """Farther away, more threes, some recorded at the origin, and dunks called tips."""
    every = np.arange(len(new))
    columns["distance_metres"] = columns["distance_metres"] * np.where(new, 1.15, 1.0)
    two = new & (columns["points"] == 2) & (every % 5 == 0)
    columns["points"] = np.where(two, 3.0, columns["points"])
    for name in ("x_metres", "y_metres"):
        columns[name] = np.where(new & (every % 50 == 0), 0.0, columns[name])
    dunk = new & (columns["kind_dunk"] == 1)
    columns["kind_dunk"], columns["kind_tip"] = columns["kind_dunk"] - dunk, columns["kind_tip"] + dunk


def more_makes(columns: Columns, new: np.ndarray) -> None:
    columns["chance"] = np.where(new, columns["chance"] + 0.06, columns["chance"])


def less_predictable(columns: Columns, new: np.ndarray) -> None:
    """As many makes as before, but the champion's features no longer predict which."""
    columns["chance"] = np.where(new, sigmoid(-0.15 - 0.6 * (logit(columns["chance"]) + 0.15)), columns["chance"])


def grown_feature_state(columns: Columns, new: np.ndarray) -> None:
    for name in GROWING:
        columns[name] = columns[name] + np.where(new, 2.0, 0.0)


GROWING = ("base_logit", "shooter_residual", "shooter_shots", "opponent_zone_residual")


def test_without_a_change_nothing_drifts_and_every_column_is_reported() -> None:
    drift = reported()
    assert drift.drifted == []
    assert str(drift).startswith("no watched column drifted on 10,000 shots of 2020-12-21 to 2021-01-14")
    assert [c.column for c in drift.columns] == report_columns(NBA)
    assert (drift.reference.games, drift.newest.games, drift.newest.shots) == (200, 100, 10_000)
    assert (drift.reference.first_date, drift.reference.last_date) == (FIRST, SEEN_UNTIL)
    assert abs(drift.log_loss - drift.expected_log_loss) < 0.01
    assert all(0 <= c.distance < c.threshold for c in drift.columns if c.column.watched)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (other_shots, {"distance_metres", "points", "at_origin", "kind"}),
        (more_makes, {MADE}),
        (less_predictable, {EXCESS}),
        (grown_feature_state, set()),
    ],
)
def test_columns_that_changed_drift_and_no_others(
    change: Callable[[Columns, np.ndarray], None], found: set[str]
) -> None:
    assert drifted(reported(change)) == found


def test_growing_columns_are_reported_without_an_alarm() -> None:
    assert {c.column.name for c in reported(grown_feature_state).columns if c.drifted} == set(GROWING)


def test_the_alarm_names_what_drifted_and_by_how_much() -> None:
    drift = reported(other_shots)
    points = next(c for c in drift.drifted if c.column.name == "points")
    was, now = (float(re.fullmatch(r"3 ([\d.]+)%", text)[1]) for text in (points.was, points.now))  # type: ignore[index]
    assert 5 < now - was < 15
    assert str(drift).startswith("drift on 10,000 shots of 2020-12-21 to 2021-01-14, farthest first: ")
    assert f"points: {points.now}, was {points.was} ({points.distance / points.threshold:.1f} times" in str(drift)
    farthest = [c.distance / c.threshold for c in drift.drifted]
    assert farthest == sorted(farthest, reverse=True)


def test_the_page_begins_with_a_summary_and_loads_nothing_from_the_internet() -> None:
    drift = reported(other_shots)
    html = drift.html
    title, lines = drift.summary
    for text in (title, *lines):
        assert escape(text) in html
    assert any(line.startswith("points: 3 ") for line in lines)
    assert "Jensen-Shannon distance" in html
    assert "Difference of means" in html
    assert not re.search(r"""<link\b|<(script|img|iframe)\b[^>]*\bsrc=|url\(["']?(https?:)?//""", html)
    assert len(html) < 5_000_000


def test_the_newest_games_are_whole_and_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parivision_assets.steps.monitoring.drift.NEWEST_SHOTS", 3_450)
    newest = report(unchanged(), CHAMPION).newest
    assert (newest.games, newest.shots, newest.last_date) == (34, 3_400, "2021-01-14")


@pytest.mark.parametrize(
    ("memory", "bundle", "reason"),
    [
        (lambda: unchanged().until("2020-12-27"), CHAMPION, "28 games since 2020-12-20 are new; 30 are needed"),
        (unchanged, champion(FIRST, FITTED_UNTIL, SEEN_UNTIL, schema="older"), "trained on other features"),
        (unchanged, champion("2019-11-01", "2020-01-01", "2020-06-01"), "holds no game of the champion's window"),
    ],
)
def test_without_enough_to_compare_there_is_no_report(
    memory: Callable[[], MemoryWarehouse], bundle: object, reason: str
) -> None:
    with pytest.raises(NotEnoughGamesError, match=reason):
        report(memory(), bundle)  # type: ignore[arg-type]


def test_a_warehouse_of_another_version_is_refused() -> None:
    other = MemoryWarehouse(unchanged().rows, msgspec.structs.replace(unchanged().state, schema="other"))
    with pytest.raises(StoreError, match="folded by another version"):
        report(other, CHAMPION)


def test_the_quality_is_read_on_games_the_champion_was_not_fitted_on() -> None:
    """A champion that has overfitted its training games must not make later ones look like drift."""

    def overfitted(columns: Columns, new: np.ndarray) -> None:
        fitted = np.arange(len(new)) < 160 * SHOTS
        columns["chance"] = np.where(fitted, (columns["chance"] > 0.5).astype(float), columns["chance"])

    assert EXCESS not in drifted(report(made_up_warehouse(overfitted), CHAMPION))


def test_every_feature_is_watched_reported_or_named_as_neither() -> None:
    reported_features = {name for m in NBA.monitored for name in m.features}
    assert reported_features.isdisjoint(NEITHER)
    assert reported_features | set(NEITHER) == set(NBA.feature_names)
    assert not {m.name for m in NBA.monitored if m.watched} & {"shooter_residual", "shooter_shots", "base_logit"}
    assert {m.name for m in NBA.monitored if m.watched} >= {"zone", "points", "kind", "at_origin", "home", "period"}


def test_readings_of_features() -> None:
    features = np.zeros((3, len(NBA.feature_names)))
    for row, name, value in (
        (0, "zone_5", 1),
        (1, "x_metres", 2),
        (1, "kind_dunk", 1),
        (2, "points", 3),
        (0, "points", 2),
    ):
        features[row, NBA.feature_names.index(name)] = value
    columns = read_columns(features, np.array([1, 0, 1]), np.array([0.5, 0.2, 0.9]), np.array([True, False, True]), NBA)
    assert columns["zone"].tolist() == ["zone_5", "none", "none"]
    assert columns["kind"].tolist() == ["none", "kind_dunk", "none"]
    assert columns["at_origin"].tolist() == ["yes", "no", "yes"]
    assert columns["points"].tolist() == ["2", "0", "3"]
    assert columns[MADE].tolist() == ["yes", "no", "yes"]
    assert columns["x_metres"].tolist() == [0, 2, 0]
    assert np.isnan(columns[EXCESS]).tolist() == [False, True, False]


@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=20))
def test_a_calibrated_champion_has_no_excess_on_average(chances: list[float]) -> None:
    p = np.array(chances)
    ones, zeros = np.ones(len(p)), np.zeros(len(p))
    average = p * excess_log_loss(ones, p) + (1 - p) * excess_log_loss(zeros, p)
    assert np.abs(average).max() < 1e-12
    assert (expected_log_loss(p) <= np.log(2) + 1e-12).all()


@pytest.mark.parametrize("method", ["wasserstein", "jensenshannon", "mean_shift"])
@pytest.mark.parametrize("distinct", [3, 1_000_000])
def test_noise_is_measured_with_the_distances_that_evidently_computes(method: str, distinct: int) -> None:
    rng = np.random.default_rng(3)
    game = np.repeat(np.arange(60), 50)
    values = np.floor(rng.gamma(2, 1, len(game)) * distinct / 4) / distinct
    if method == "jensenshannon":
        values = (values * distinct % 7).astype(int).astype(str)
    column = DriftColumn("any", method, 0.1)  # type: ignore[arg-type]
    found, _ = compare([column], {"any": 0.1}, {"any": values[game < 40]}, {"any": values[game >= 40]})
    drawn = tally(column.method, values, game)
    windows = np.stack([np.arange(60) < 40, np.arange(60) >= 40]).astype(float)
    (ours,) = drawn.distance(*(window[None] @ drawn.counts for window in windows))
    # In standard deviations of all values here, of the first window in Evidently.
    unit = values.std() / values[game < 40].std() if method == "wasserstein" else 1.0
    assert ours * unit == pytest.approx(found["any"], rel=0.02)


def test_games_not_shots_are_the_unit_of_noise() -> None:
    """Shots of a game that resemble each other make samples of games differ more."""
    rng = np.random.default_rng(4)
    game = np.repeat(np.arange(300), 50)
    column = DriftColumn("any", "wasserstein", 0.0)
    alone, alike = rng.normal(size=len(game)), rng.normal(size=300)[game] + rng.normal(size=len(game))
    limits = [thresholds([column], {"any": values}, game, 60)["any"] for values in (alone, alike)]
    assert limits[1] > 3 * limits[0]


def test_a_smaller_window_has_a_higher_threshold() -> None:
    rng = np.random.default_rng(5)
    game = np.repeat(np.arange(400), 50)
    column, values = DriftColumn("any", "wasserstein", 0.0), rng.normal(size=len(game))
    limits = [thresholds([column], {"any": values}, game, games)["any"] for games in (30, 120)]
    assert limits[0] > 1.5 * limits[1]


def test_a_change_within_the_reference_is_no_drift() -> None:
    """Half of the training window was recorded in another way; the newest shots resemble its second half."""
    rng = np.random.default_rng(6)
    game = np.repeat(np.arange(200), 100)
    flags = np.where(rng.random(len(game)) < np.where(game < 100, 0.0, 0.05), "yes", "no")
    column = DriftColumn("any", "jensenshannon", 0.0)
    limit = thresholds([column], {"any": flags}, game, 50)["any"]
    now = np.where(rng.random(5000) < 0.05, "yes", "no")
    found, _ = compare([column], {"any": limit}, {"any": flags}, {"any": now})
    assert 0.02 < found["any"] < limit


def test_a_new_category_has_to_exceed_the_margin() -> None:
    game = np.repeat(np.arange(100), 50)
    column = DriftColumn("any", "jensenshannon", MARGINS["jensenshannon"])
    assert thresholds([column], {"any": np.full(len(game), "no")}, game, 40) == {"any": MARGINS["jensenshannon"]}


def test_games_are_numbered_in_order_of_time() -> None:
    assert in_order(np.array([9, 9, 4, 7, 4])).tolist() == [0, 0, 1, 2, 1]


def test_the_category_that_changed_most_is_named() -> None:
    column = DriftColumn("any", "jensenshannon", 0.02)
    reference, newest = np.array(["a"] * 6 + ["b"] * 3 + ["c"]), np.array(["a"] * 5 + ["b"] * 4 + ["c"])
    assert before_and_after(column, reference, newest) == ("b 30.00%", "b 40.00%")
    numbers = DriftColumn("any", "mean_shift", 0.0)
    assert before_and_after(numbers, np.array([0.1, np.nan]), np.array([-0.25])) == ("mean +0.1000", "mean -0.2500")
