"""The simulated league: the same for the same seed, sound in every document, and shaped like a season."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from parivision_core.nba import court
from parivision_core.nba.shots import NBA
from parivision_core.nba.teams import ABBREVIATIONS
from parivision_serving.virtual_bets.nba.figures import figures
from parivision_serving.virtual_bets.nba.grid import AREAS, BASIC, RANGES, grid, labels
from parivision_serving.virtual_bets.nba.names import EAST, FRANCHISES, invented
from parivision_serving.virtual_bets.nba.players import FIRST_ID, SLOTS, TEAMS, first_league, next_league
from parivision_serving.virtual_bets.nba.schedule import make_schedule
from parivision_serving.virtual_bets.nba.simulator import FIRST_YEAR, LAST_YEAR, Simulator
from parivision_serving.virtual_bets.scenarios import Scenario
from tests.helpers.paths import ROOT
from tests.helpers.simulated_seasons import fingerprint, parsed_season, simulator

PINNED = {
    (0, "1996-10-22"): "90401ec0b33064543dde13754f844a7cba650755839ef1b2366685d9cfef3e24",
    (1, "1998-01-14"): "302e176bc775f6db769f6e0e57cb6c943b124f11e3e75909a7fcca7b71c452ee",
}
"""A change of what is simulated must raise REVISION in simulator.py: a simulation must not change its past."""

OTHER_PROCESS = """
import hashlib, msgspec
from parivision_serving.virtual_bets.nba.simulator import Simulator
from parivision_serving.virtual_bets.scenarios import Scenario
source = Simulator(1, Scenario.CALM)
for season, date in {days!r}:
    offer = next(o for o in source.plan(season).offers if o.id == date)
    print(hashlib.sha256(msgspec.json.encode(source.documents(season, offer))).hexdigest())
"""


@pytest.fixture(params=[4, pytest.param(1, marks=pytest.mark.slow)], ids=["sample", "whole season"])
def shots(request: pytest.FixtureRequest) -> pd.DataFrame:
    """The first season's shots, as the platform reads its documents; of every fourth day, or all."""
    return parsed_season(request.param)


@pytest.mark.process
def test_same_seed_same_season_in_every_process() -> None:
    source = simulator()
    # The later season first: the order of the calls must not matter.
    ours = {}
    for number, date in reversed(PINNED):
        offer = next(offer for offer in source.plan(number).offers if offer.id == date)
        ours[number, date] = fingerprint(source.documents(number, offer))
    code = OTHER_PROCESS.format(days=list(PINNED))
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={"PYTHONHASHSEED": "7", "PATH": ""},
    )
    assert done.stdout.split() == [ours[key] for key in PINNED]
    assert ours == PINNED


def test_other_seeds_give_other_seasons() -> None:
    one, other = simulator(), Simulator(2, Scenario.CALM)
    assert one.name != other.name
    assert not np.array_equal(one.season(0).schedule.home, other.season(0).schedule.home)


def test_the_platform_accepts_every_document(shots: pd.DataFrame) -> None:
    assert NBA.check_location({name: shots[name].to_numpy() for name in NBA.fields}) == 1.0
    assert (shots["feet"] == shots["stated_distance"]).all()
    assert (shots["season"] == FIRST_YEAR).all()
    assert (shots["season_type"] == "regular").all()
    assert (shots["kind"] != "").mean() > 0.99
    assert not shots.duplicated(["game_id", "event_id"]).any()
    assert shots["player_id"].min() >= FIRST_ID
    same = shots.duplicated(["game_date", "game_id", "player_id", "period", "seconds_remaining"])
    assert same.mean() < 375 / 212_000  # as in a real season


def test_events_follow_the_clock(shots: pd.DataFrame) -> None:
    shots = shots.sort_values(["game_id", "event_id"])
    length = np.where(shots["period"] <= 4, 720, 300)
    start = np.where(shots["period"] <= 4, (shots["period"] - 1) * 720, 2880 + (shots["period"] - 5) * 300)
    elapsed = pd.Series(start + length - shots["seconds_remaining"], index=shots.index)
    steps = elapsed.groupby(shots["game_id"]).diff().dropna()
    assert (steps >= 0).all()
    assert abs(steps.mean() - 16.74) < 0.6
    assert abs(steps.std() - 9.53) < 0.6
    games = shots.groupby("game_id")
    assert games["game_date"].nunique().max() == 1
    assert games["team"].nunique().eq(2).all()
    assert 0.03 < (games["period"].max() > 4).mean() < 0.09
    again = (shots["team"] == shots["team"].shift()) & (shots["game_id"] == shots["game_id"].shift())
    assert abs(again.sum() / len(steps) - 0.279) < 0.01


@pytest.mark.parametrize("year", [1997, 2004, 2026])
def test_the_calendar_is_that_of_a_season(year: int) -> None:
    schedule = make_schedule(year, np.random.default_rng(year))
    home, away, day = schedule.home, schedule.away, schedule.day
    assert (np.bincount(home) == 41).all()
    assert (np.bincount(away) == 41).all()
    assert (np.diff(day) >= 0).all()
    assert (schedule.first.year, schedule.first.month) == (year - 1, 10)
    assert 165 <= schedule.length <= 185
    played = np.bincount(day)
    assert 155 <= (played > 0).sum() <= 178
    assert played.max() <= 15
    for team in range(30):
        days = np.sort(day[(home == team) | (away == team)])
        rest = np.diff(days)
        assert rest.min() >= 1, "two games on a day"
        assert not ((rest[1:] == 1) & (rest[:-1] == 1)).any(), "three days running"
        assert 8 <= (rest == 1).sum() <= 22
    meetings = np.zeros((30, 30), dtype=int)
    np.add.at(meetings, (home, away), 1)
    meetings += meetings.T
    east = np.array([team in EAST for team in TEAMS])
    assert (meetings[np.ix_(east, ~east)] == 2).all()
    assert all(sorted(row[row > 2]) == [3] * 4 + [4] * 10 for row in meetings)


def test_players_keep_their_identity_and_change_slowly() -> None:
    rng = np.random.default_rng(5)
    before = first_league(rng)
    after = next_league(before, rng)
    stay = np.intersect1d(before.number, after.number)
    assert 0.8 < len(stay) / len(before.number) < 0.95
    old, new = (np.searchsorted(np.sort(x.number), stay) for x in (before, after))
    skill = [x.skill[np.argsort(x.number)][at] for x, at in ((before, old), (after, new))]
    assert np.corrcoef(skill[0].ravel(), skill[1].ravel())[0, 1] > 0.9
    team = [np.argsort(x.number)[at] // SLOTS for x, at in ((before, old), (after, new))]
    assert 0.05 < (team[0] != team[1]).mean() < 0.25
    for _ in range(20):
        after = next_league(after, rng)
        assert len(np.unique(after.number)) == len(TEAMS) * SLOTS
    spread = [figures()["player_skill"][name] for name in figures()["player_skill"]]
    assert np.allclose(after.skill.std(axis=0), spread, rtol=0.15)
    assert np.allclose(after.style.sum(axis=1), 1)


def test_names_are_invented_and_differ() -> None:
    names = [invented(i) for i in range(3000)]
    assert len(set(names)) == len(names)
    assert all(name.isascii() and len(name.split()) == 2 for name in names)
    assert sorted(FRANCHISES) == sorted(TEAMS) == sorted(names[0] for names in ABBREVIATIONS.values())


def test_the_grid_covers_the_court_once() -> None:
    places = grid()
    assert len(places.x) == 501 * 941
    assert (np.diff(places.rising) >= 0).all()
    # Whatever is drawn lies in its zone, up to the very edges of u.
    for u in (0.0, 0.5, 1 - 2**-53):
        zone = np.arange(1, 8)
        place = places.draw(zone, np.full(7, u))
        assert (court.zone(places.x[place], places.y[place]) == zone).all()


def test_areas_have_the_shares_that_were_measured() -> None:
    places = grid()
    share = np.array([0.0, *figures()["zone7"]["share"]])
    zone = court.zone(places.x, places.y)
    start = np.r_[0.0, places.rising[:-1]]
    chance = (places.rising - np.where(np.floor(start) < zone, zone, start)) * share[zone]
    named = labels(places.x, places.y)
    for basic, area, reach, measured, _ in figures()["zone_area_range"]:
        chosen = (
            (named.basic == BASIC.index(basic))
            & (named.area == AREAS.index(area))
            & (named.range == RANGES.index(reach))
        )
        assert abs(chance[chosen].sum() - measured) < 5e-4, (basic, area, reach)
    feet = np.bincount(places.feet, weights=chance)
    assert np.abs(feet - figures()["distance_ft"]["share"]).max() < 5e-4


def test_seasons_follow_each_other_up_to_the_last_that_is_over() -> None:
    source = Simulator(3, Scenario.CALM)
    plans = [source.plan(number) for number in range(source.seasons)]
    assert source.seasons == LAST_YEAR - FIRST_YEAR + 1
    dates = [offer.date for plan in plans for offer in plan.offers]
    assert dates == sorted(set(dates))
    assert str(dates[-1]) < "2026-05-01"
    assert all(plan.offers[-1].announced == plan.days - 1 for plan in plans)
