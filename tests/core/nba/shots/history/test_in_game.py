"""In-game features: which shots count as earlier, and what follows from them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from parivision_core.nba.shots.history.in_game import NAMES, elapsed, in_game_features

Shots = dict[str, np.ndarray]


def game(rows: list[tuple[int, int, int, int, int]], points: int = 2) -> Shots:
    """Shots of one game from (period, seconds left, player, team, made)."""
    names = ("period", "seconds_remaining", "player_id", "team", "made")
    columns = dict(zip(names, np.array(rows).reshape(-1, 5).T, strict=True))
    return columns | {"game": np.zeros(len(rows), int), "points": np.full(len(rows), points)}


def features_of(shots: Shots) -> dict[str, np.ndarray]:
    return in_game_features(shots, shots["made"] - 0.5)


def test_the_clock_runs_from_the_first_second() -> None:
    assert list(elapsed(np.array([1, 1, 4, 5, 6]), np.array([720, 0, 0, 300, 0]))) == [0, 720, 2880, 2880, 3480]


def test_the_first_shot_knows_nothing() -> None:
    found = features_of(game([(1, 700, 1, 10, 1)]))
    assert set(found) == set(NAMES)
    assert all(column.tolist() == [0] for column in found.values())


def test_a_shot_knows_the_one_before() -> None:
    found = features_of(game([(1, 700, 1, 10, 1), (1, 681, 2, 20, 0), (1, 680, 2, 20, 1), (2, 700, 1, 10, 0)]))
    assert found["recency"].tolist() == [0, 1 / 20, 1 / 2, 0], "none within the second period yet"
    assert found["last_made"].tolist() == [0, 1, -1, 0]
    assert found["last_own"].tolist() == [0, -1, 1, 0]
    assert found["shooter_shots_in_game"].tolist() == [0, 0, 1, 1]
    assert found["shooter_in_game"].tolist() == [0, 0, -0.5, 0.5]
    assert found["team_in_game"].tolist() == [0, 0, -0.5, 0.5]
    assert found["both_teams_in_game"].tolist() == [0, 0.5, 0, 0.5]
    assert found["margin"].tolist() == [0, -2, -2, 0]


def test_shots_of_one_second_know_nothing_of_each_other() -> None:
    """Otherwise the tip-in in the same second would reveal the miss before it."""
    before = (1, 700, 3, 20, 1)
    both = features_of(game([before, (1, 650, 1, 10, 0), (1, 650, 2, 10, 1)]))
    alone = features_of(game([before, (1, 650, 1, 10, 0)]))
    for name in NAMES:
        assert both[name][1] == alone[name][1], name


def test_of_two_in_one_second_the_make_is_the_last() -> None:
    for pair in ([(1, 650, 1, 10, 0), (1, 650, 2, 20, 1)], [(1, 650, 2, 20, 1), (1, 650, 1, 10, 0)]):
        found = features_of(game([*pair, (1, 640, 3, 10, 0)]))
        assert (found["last_made"][2], found["last_own"][2]) == (1, -1)


def test_unknown_shooters_and_teams_have_no_game_so_far() -> None:
    found = features_of(game([(1, 700, 0, 0, 1), (1, 690, 0, 0, 1), (1, 680, 0, 10, 1)]))
    for name in ("shooter_in_game", "shooter_shots_in_game", "team_in_game", "last_own", "margin"):
        assert found[name][:2].tolist() == [0, 0], name
    assert found["both_teams_in_game"].tolist() == [0, 0.5, 1]


@given(st.integers(0, 10_000))
def test_order_and_other_games_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 40
    rows = np.column_stack([rng.integers(1, 6, n), rng.integers(0, 30, n), *(rng.integers(0, 3, (3, n)))])
    rows[:, 4] = rows[:, 4] > 1
    shots = game([tuple(row) for row in rows.tolist()]) | {"game": rng.integers(0, 3, n)}
    whole = features_of(shots)
    shuffled = rng.permutation(n)
    again = features_of({name: column[shuffled] for name, column in shots.items()})
    first = shots["game"] == 0
    alone = features_of({name: column[first] for name, column in shots.items()})
    for name in NAMES:
        assert np.allclose(again[name], whole[name][shuffled], atol=1e-12), name
        assert np.allclose(alone[name], whole[name][first], atol=1e-12), name


def test_a_fraction_of_a_second_is_no_earlier_second() -> None:
    """The record that training knows has no fractions, and a tip-in must not reveal the miss before it."""
    shots = game([(1, 60, 1, 10, 0), (1, 60, 2, 10, 1)])
    found = features_of(shots | {"seconds_remaining": np.array([60.9, 60.1])})
    assert all(found[name][1] == 0 for name in NAMES)


def test_the_margin_needs_every_team() -> None:
    rows = [(1, 700, 1, 10, 1), (1, 690, 2, 20, 1), (1, 680, 3, 0, 1), (1, 670, 1, 10, 1)]
    assert features_of(game(rows))["margin"].tolist() == [0, -2, 0, 0]
