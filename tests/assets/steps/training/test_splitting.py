"""The split: whole games in order of time and enough of them, or an error with their number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parivision_assets.steps.training.splitting import MIN_TRAIN_GAMES, MIN_UNSEEN_GAMES, split
from parivision_core.problems import NotEnoughGamesError


def calendar(games: int, per_day: int, shots: int = 3) -> tuple[np.ndarray, np.ndarray]:
    game = np.repeat(np.arange(games), shots)
    day = np.datetime64("2022-10-18") + game // per_day
    return day.astype(str), game


@given(st.integers(150, 1300), st.integers(1, 12))
def test_periods_are_whole_games_that_follow_each_other(games: int, per_day: int) -> None:
    date, game = calendar(games, per_day)
    s = split(date, game)
    periods = (s.train, s.validation, s.unseen)
    assert (sum(p.astype(int) for p in periods) == 1).all()
    assert len(set.union(*({*game[p]} for p in periods))) == games
    assert sum(len({*game[p]}) for p in periods) == games
    assert len({*game[s.unseen]}) >= MIN_UNSEEN_GAMES
    assert len({*game[s.train]}) >= MIN_TRAIN_GAMES
    assert sorted(date[s.train])[-1] <= s.last_train_date < sorted(date[s.validation])[0]
    assert sorted(date[s.validation])[-1] <= s.seen_until < sorted(date[s.unseen])[0]


def test_a_game_id_over_several_days_stays_whole() -> None:
    date, game = calendar(200, 4)
    game = np.where(game == 30, 199, game)
    s = split(date, game)
    assert s.unseen[game == 199].all()


def test_too_few_games_are_counted() -> None:
    with pytest.raises(NotEnoughGamesError, match="119 games are too few"):
        split(*calendar(119, 4))
    for per_day, days in ((200, 1), (100, 2)):
        with pytest.raises(NotEnoughGamesError, match=f"on only {days} days"):
            split(*calendar(200, per_day))
