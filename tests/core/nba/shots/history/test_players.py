"""The directory: the latest name of each shooter, as a plain loop finds it; and the search, as a person types."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parivision_core.arrays import Columns
from parivision_core.nba.shots import NBA
from parivision_core.nba.shots.history import players
from parivision_core.nba.shots.history.players import DirectoryEntry, Roster, words_of

KNOWN = {
    101108: ("Chris Paul", 9000),
    201935: ("James Harden", 20_000),
    201939: ("Stephen Curry", 18_000),
    202355: ("Hassan Whiteside", 4000),
    202683: ("Ömer Aş\N{LATIN SMALL LETTER DOTLESS I}k", 1500),
    203552: ("Seth Curry", 5000),
    203915: ("Spencer Dinwiddie", 6000),
    203994: ("Jusuf Nurkić", 6500),
    1626149: ("Montrezl Harrell", 4000),
    1627750: ("Jamal Murray", 9000),
    1628983: ("Shai Gilgeous-Alexander", 7000),
    1629029: ("Luka Dončić", 8000),
    1630178: ("D.J. O'Neal Jr.", 10),
}
ROSTER = Roster(
    {player_id: DirectoryEntry(name, "BOS", "2023-04-09") for player_id, (name, _) in KNOWN.items()},
    [shots for _, shots in KNOWN.values()],
)

NAME = st.sampled_from(["", "Ann Bo", "Ann-Marie Bo", "Çan Öz"])
SHOT = st.tuples(st.integers(0, 4), NAME, st.sampled_from(["BOS", "SEA"]), st.integers(1, 9))


def columns_of(shots: list[tuple[int, str, str, int]]) -> Columns:
    rows = sorted(shots, key=lambda shot: shot[3])
    return {
        "player_id": np.array([shot[0] for shot in rows], dtype=np.int64),
        "player_name": np.array([shot[1] for shot in rows], dtype=object),
        "team": np.array([shot[2] for shot in rows], dtype=object),
        "game_date": np.array([f"2023-01-0{shot[3]}" for shot in rows], dtype=object),
    }


def found(search: str, limit: int = 50) -> list[str]:
    return [player.name for player in ROSTER.find(search, limit)]


@given(st.lists(SHOT, max_size=30), st.integers(1, 9))
def test_the_directory_equals_a_plain_loop_in_any_stretches(shots: list[tuple[int, str, str, int]], cut: int) -> None:
    expected = {}
    for player_id, name, team, day in sorted(shots, key=lambda shot: shot[3]):
        if player_id and name:
            expected[player_id] = DirectoryEntry(name, team, f"2023-01-0{day}")
    assert players.fold_directory({}, columns_of(shots)) == expected
    early = players.fold_directory({}, columns_of([shot for shot in shots if shot[3] <= cut]))
    both = players.fold_directory(early, columns_of([shot for shot in shots if shot[3] > cut]))
    assert both == expected
    assert list(both) == sorted(both)
    assert players.decode(players.encode(both)) == both


def test_what_was_known_before_stays_as_it_was() -> None:
    before = {1: DirectoryEntry("Ann Bo", "BOS", "2022-01-01")}
    after = players.fold_directory(before, columns_of([(1, "Ann Bo-Li", "SEA", 3)]))
    assert before == {1: DirectoryEntry("Ann Bo", "BOS", "2022-01-01")}
    assert after == {1: DirectoryEntry("Ann Bo-Li", "SEA", "2023-01-03")}


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("curry", ["Stephen Curry", "Seth Curry"]),
        ("CURRY s", ["Stephen Curry", "Seth Curry"]),
        ("  seth   cur ", ["Seth Curry"]),
        ("doncic", ["Luka Dončić"]),
        ("DONČIĆ", ["Luka Dončić"]),
        ("donc\N{COMBINING CARON}ic\N{COMBINING ACUTE ACCENT}", ["Luka Dončić"]),
        ("nurkić", ["Jusuf Nurkić"]),
        ("omer asik", ["Ömer Aş\N{LATIN SMALL LETTER DOTLESS I}k"]),
        ("alexander", ["Shai Gilgeous-Alexander"]),
        ("gilgeous-alex", ["Shai Gilgeous-Alexander"]),
        ("dj oneal", ["D.J. O'Neal Jr."]),
        ("d.j. o'neal, jr.", ["D.J. O'Neal Jr."]),
        ("har", ["James Harden", "Montrezl Harrell"]),
        ("whi", ["Hassan Whiteside"]),
        # Beginnings of words come before parts of words, whatever the shots.
        ("al", ["Shai Gilgeous-Alexander", "Jamal Murray", "D.J. O'Neal Jr."]),
        ("urr", ["Stephen Curry", "Jamal Murray", "Seth Curry"]),
        ("curry james", []),
        ("no such player", []),
        ("李", []),
    ],
)
def test_a_search_finds_the_players_meant(search: str, names: list[str]) -> None:
    assert found(search) == names


@pytest.mark.parametrize("search", ["", "  ", "-", "..."])
def test_without_words_all_players_are_found_most_shots_first(search: str) -> None:
    assert found(search, 3) == ["James Harden", "Stephen Curry", "Chris Paul"]
    assert len(found(search)) == len(KNOWN)


@given(st.text(max_size=12) | st.text("aceinrs -.", max_size=6), st.integers(1, 13))
def test_every_word_is_in_every_name_and_a_limit_cuts(search: str, limit: int) -> None:
    everyone = ROSTER.find(search, len(KNOWN))
    assert all(word in "".join(words_of(player.name)) for player in everyone for word in words_of(search))
    assert ROSTER.find(search, limit) == everyone[:limit]
    assert len({player.player_id for player in everyone}) == len(everyone)


def test_a_team_is_named_as_a_request_takes_it() -> None:
    entries = {
        1: DirectoryEntry("A", "SEA", "2008-04-16"),
        2: DirectoryEntry("B", "GSW", "2023-04-09"),
        3: DirectoryEntry("C", "", "2023-04-09"),
    }
    listed = Roster(entries, [3.0, 2.0, 1.0]).find("", 3)
    assert [(player.team, player.last_date) for player in listed] == [
        ("OKC", "2008-04-16"),
        ("GSW", "2023-04-09"),
        (None, "2023-04-09"),
    ]


def test_a_feature_state_of_real_shots_knows_its_shooters(real_data: Path) -> None:
    raw = pd.read_csv(real_data / "NBA Shot Locations 1997 - 2020 (sample).csv", dtype=str, keep_default_na=False)
    parsed = NBA.parse(raw)
    shots = parsed.shots[parsed.reasons == ""].sort_values("game_date", kind="stable")
    current = NBA.fold(NBA.empty_feature_state(), {name: shots[name].to_numpy() for name in shots})[2]
    again = NBA.load_feature_state(current.record())
    listed = {player.player_id: player for player in NBA.find_players(again, "", 10_000)}
    expected = shots.groupby("player_id").agg(
        name=("player_name", "last"), shots=("made", "size"), last_date=("game_date", "last")
    )
    assert {i: (p.name, p.shots, p.last_date) for i, p in listed.items()} == {
        row.Index: (row.name, row.shots, row.last_date) for row in expected.itertuples()
    }
    assert len(listed) > 500
    assert NBA.find_players(again, "oneal", 5)[0].name == "Shaquille O'Neal"
