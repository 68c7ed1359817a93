"""Bounds that hold at every look: the whole sequence is covered, shares add up, and more games tighten them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parivision_assets.steps.promotion.sequential import ALPHA, alpha_of, radius
from parivision_assets.steps.promotion.verdict import MIN_GAMES


def test_shares_add_up_to_alpha_at_most() -> None:
    shares = [alpha_of(tried) for tried in range(1, 10_000)]
    assert shares[0] == ALPHA / 2
    assert sum(shares) == pytest.approx(ALPHA, rel=1e-3)
    assert sum(shares) < ALPHA


@given(st.integers(MIN_GAMES, 5000), st.floats(1e-4, 0.2), st.floats(1e-3, 10))
def test_more_games_and_more_risk_make_it_tighter(games: int, alpha: float, deviation: float) -> None:
    assert 0 < radius(deviation, games + 1, alpha) < radius(deviation, games, alpha)
    assert radius(deviation, games, alpha) < radius(deviation, games, alpha / 2)
    assert radius(2 * deviation, games, alpha) == pytest.approx(2 * radius(deviation, games, alpha))


@pytest.mark.parametrize("alpha", [0.05, 0.025])
def test_looking_after_every_game_errs_no_more_often_than_alpha(alpha: float) -> None:
    """Contributions a little skewed, as sums over a game's shots are, and a deviation from the same games."""
    rng = np.random.default_rng(1)
    games = rng.gamma(20, size=(2000, 1000)) / 20 - 1
    count = np.arange(1, 1001)
    mean = games.cumsum(axis=1) / count
    deviation = np.sqrt((games**2).cumsum(axis=1) / count - mean**2)
    width = np.array([radius(1.0, int(n), alpha) for n in count])
    late = count >= MIN_GAMES
    for side in (mean, -mean):
        wrong = ((side - deviation * width > 0) & late).any(axis=1).mean()
        assert wrong <= alpha * 1.4  # the bound is asymptotic, and few skewed games are far from that
    naive = ((mean - deviation * 1.6449 / np.sqrt(count) > 0) & late).any(axis=1).mean()
    assert naive > 4 * alpha
