"""The training window: only the newest seasons after a change, more without one, and no fits without a choice."""

from __future__ import annotations

import numpy as np
import pytest

from parivision_assets.steps.training import windowing
from parivision_assets.steps.training.fitting import TrainingRows
from parivision_assets.steps.training.splitting import split
from parivision_assets.steps.training.windowing import TrainingWindow, choose_window, prefer
from parivision_core.nba.shots import NBA
from parivision_core.problems import NotEnoughGamesError

GAMES, SHOTS = 160, 40


def seasons(*slopes: float) -> tuple[TrainingRows, np.ndarray, np.ndarray, np.ndarray]:
    """Rows, part, game and date of one season per slope, which is the effect of a feature in that season."""
    rng = np.random.default_rng(5)
    n = GAMES * SHOTS * len(slopes)
    features = np.zeros((n, len(NBA.feature_names)), np.float32)
    features[:, 0] = rng.normal(size=n)
    number = np.arange(n) // (GAMES * SHOTS)
    chance = 1 / (1 + np.exp(-np.array(slopes)[number] * features[:, 0]))
    made = (rng.random(n) < chance).astype(np.int8)
    game = np.arange(n) // SHOTS
    days = np.datetime64("2015-11-01") + 365 * number + game % GAMES // 4
    return (
        TrainingRows(features, np.zeros(n, np.float32), made),
        (2016 + number).astype(str),
        game,
        np.datetime_as_string(days),
    )


def test_after_a_change_only_the_newest_season_is_used() -> None:
    rows, part, game, date = seasons(-1.0, -1.0, 1.0)
    logged: list[str] = []
    parts, tried = choose_window(rows, part, game, split(date, game), NBA, logged.append)
    assert parts == ("2018",)
    assert [len(window.parts) for window in tried] == [1, 2, 3]
    assert tried[2].gain == 0 < tried[0].error < tried[0].gain
    assert len(logged) == 3
    assert "window of 1 (2018 to 2018)" in logged[0]


def test_without_a_change_more_seasons_are_used() -> None:
    rows, part, game, date = seasons(1.0, 1.0, 1.0, 1.0)
    parts, tried = choose_window(rows, part, game, split(date, game), NBA)
    assert [len(window.parts) for window in tried] == [2, 3, 4]  # the newest holds too few games before validation
    assert parts == prefer(tried).parts
    assert len(parts) >= 3


def test_without_a_choice_nothing_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(windowing, "boost")
    rows, part, game, date = seasons(1.0)
    assert choose_window(rows, part, game, split(date, game), NBA) == (("2016",), [])


def test_a_season_that_has_only_begun_is_no_window_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of its games validate or stay unseen, so it can only be joined to the one before."""
    monkeypatch.delattr(windowing, "boost")
    rows, part, game, date = seasons(1.0, 1.0)
    begun = game < GAMES + 70
    rows, part, game, date = rows.take(begun), part[begun], game[begun], date[begun]
    periods = split(date, game)
    assert len(np.unique(game[periods.train & (part == "2017")])) < windowing.MIN_TRAIN_GAMES
    assert choose_window(rows, part, game, periods, NBA) == (("2016", "2017"), [])


def test_no_window_with_enough_games_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windowing, "MIN_TRAIN_GAMES", GAMES)
    rows, part, game, date = seasons(1.0)
    with pytest.raises(NotEnoughGamesError, match="before the validation games"):
        choose_window(rows, part, game, split(date, game), NBA)


@pytest.mark.parametrize(
    ("gained", "chosen"),
    [
        ({1: 0.003, 2: 0.002, 3: 0.0}, 1),
        ({1: 0.0019, 2: 0.0019, 3: 0.0}, 3),
        ({1: -0.002, 2: 0.0, 3: 0.0, 6: 0.0019}, 3),
        ({1: -0.002, 2: 0.0025, 3: 0.0, 6: 0.0021}, 2),
        ({1: -0.002, 2: 0.0, 3: 0.0, 6: 0.0021}, 6),
        ({4: 0.0, 6: 0.0019}, 4),
        ({1: -0.001, 2: 0.0}, 2),
    ],
)
def test_three_seasons_are_usual_until_others_are_proven_better(gained: dict[int, float], chosen: int) -> None:
    """A standard error here is 0.001."""
    tried = [TrainingWindow(tuple("abcdef"[-n:]), 0.64 - g, g, 0.001 if g else 0.0) for n, g in gained.items()]
    assert len(prefer(tried).parts) == chosen
