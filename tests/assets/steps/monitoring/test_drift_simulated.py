"""Drift in the simulated league: no alarm in a calm season, and both changes are reported within four weeks."""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from parivision_core.arrays import Columns
from parivision_core.nba.shots import NBA
from parivision_core.nba.shots.kinds import kinds_of
from parivision_serving.virtual_bets.nba.actions import ACTIONS
from parivision_serving.virtual_bets.nba.players import SLOTS, TEAMS
from parivision_serving.virtual_bets.nba.season import Season
from parivision_serving.virtual_bets.nba.simulator import Simulator
from parivision_serving.virtual_bets.scenarios import REVOLUTION_DAYS, Scenario
from tests.helpers.made_up_warehouse import MemoryWarehouse, champion, drifted, report, table

pytestmark = pytest.mark.slow

FITTED_FROM, FITTED_UNTIL, SEEN_UNTIL = 90, 150, 170
"""Days of the first season: what the champion learned from begins when the feature state has filled."""
PLANS = [Simulator(1, Scenario.CALM).plan(number) for number in range(2)]
MIDDLE = PLANS[1].days // 2
"""Day of the second season on which both changes begin."""


@cache
def first_season() -> tuple[pa.Table, Any]:
    """The season that is the same in every scenario, as warehouse rows, and the feature state after it."""
    return folded(Simulator(1, Scenario.CALM).season(0), NBA.empty_feature_state())


@cache
def seasons(scenario: Scenario) -> MemoryWarehouse:
    """The first two seasons in a warehouse."""
    before, feature_state = first_season()
    after, _ = folded(Simulator(1, scenario).season(1), feature_state)
    return MemoryWarehouse(pa.concat_tables([before, after]))


def folded(season: Season, feature_state: Any) -> tuple[pa.Table, Any]:
    shots = contract(season)
    features, offset, feature_state = NBA.fold(feature_state, shots)
    return table(shots, features, offset), feature_state


def contract(season: Season) -> Columns:
    """A season's shots in the contract, as its documents would be parsed."""
    shots, schedule = season.shots, season.schedule
    day = np.datetime64(schedule.first) + season.days
    team, teams = shots.player // SLOTS, np.array(TEAMS)
    home, away = schedule.home[shots.game], schedule.away[shots.game]
    return {
        "game_date": np.datetime_as_string(day),
        "game_id": season.first_game_id + shots.game,
        "player_id": season.league.ids[shots.player],
        "player_name": np.array(season.names)[shots.player],
        "team": teams[team],
        "opponent": teams[np.where(team == home, away, home)],
        "home": (team == home).astype(np.int8),
        "period": shots.period,
        "seconds_remaining": shots.seconds,
        "x": season.x,
        "y": season.y,
        "made": shots.made,
        "kind": np.array(kinds_of(ACTIONS))[shots.action],
    }


def found_on(scenario: Scenario, day: int) -> set[str]:
    """What drifted when the report was made on a day of the second season."""
    first, second = (PLANS[number].first for number in range(2))
    learned = champion(*(str(first + dt.timedelta(days=n)) for n in (FITTED_FROM, FITTED_UNTIL, SEEN_UNTIL)))
    return drifted(report(seasons(scenario).until(str(second + dt.timedelta(days=day))), learned))


@pytest.mark.parametrize("day", [60, 150])
def test_a_calm_season_is_silent(day: int) -> None:
    assert found_on(Scenario.CALM, day) == set()


def test_the_three_point_revolution_is_reported_by_its_full_effect() -> None:
    found = found_on(Scenario.THREE_POINT_REVOLUTION, MIDDLE + REVOLUTION_DAYS)
    assert found >= {"zone", "points", "distance_metres"}
    assert "at_origin" not in found


def test_new_recording_is_reported_within_two_weeks() -> None:
    found = found_on(Scenario.NEW_RECORDING, MIDDLE + 14)
    assert "at_origin" in found
    assert not found & {"zone", "points", "made", "home"}
