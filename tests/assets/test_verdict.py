"""The gate's statistics: noise doesn't pass, a real gain does, games are the unit, and reasons are written out."""

from __future__ import annotations

import numpy as np
import pytest

from parivision_assets.steps.verdict import MARGIN, MIN_GAMES, compare, decide, verdict_of
from parivision_core.scoring import logit, sigmoid


def games_of(games: int, seed: int, noise: float, shots: int = 170) -> tuple[np.ndarray, ...]:
    """Made, game, and two models' probabilities; the first knows the truth, the second errs by `noise` in log odds."""
    rng = np.random.default_rng(seed)
    n = games * shots
    truth = sigmoid(rng.normal(-0.2, 0.6, n))
    made = (rng.random(n) < truth).astype(int)
    return made, np.repeat(np.arange(games), shots), truth, sigmoid(logit(truth) + rng.normal(0, noise, n))


def test_a_real_gain_passes_and_its_mirror_image_is_refused() -> None:
    made, game, truth, worse = games_of(100, 0, noise=0.35)
    c = compare(made, game, worse, truth)
    assert c.gain > 0.005
    assert decide(c, 2, "version 1")[0] == "pass"
    assert decide(compare(made, game, truth, worse), 2, "version 1")[0] == "refuse"


def test_an_equal_model_is_refused() -> None:
    promoted = 0
    for seed in range(40):
        made, game, truth, _ = games_of(60, seed, 0)
        rng = np.random.default_rng(1000 + seed)
        one, other = (sigmoid(logit(truth) + rng.normal(0, 0.1, len(truth))) for _ in range(2))
        promoted += decide(compare(made, game, one, other), 2, "version 1")[0] == "pass"
    assert promoted <= 2


def test_a_gain_below_the_margin_is_refused_however_sure() -> None:
    made, game, truth, _ = games_of(2000, 3, 0)
    slightly = sigmoid(logit(truth) * 0.93)
    c = compare(made, game, slightly, truth)
    assert 0 < c.gain < MARGIN
    assert decide(c, 2, "version 1")[0] == "refuse"


def test_too_few_games_is_not_yet() -> None:
    made, game, truth, worse = games_of(MIN_GAMES - 1, 0, noise=1.0)
    decision, reason = decide(compare(made, game, worse, truth), 2, "version 1")
    assert decision == "not_yet"
    assert f"{MIN_GAMES - 1} of {MIN_GAMES}" in reason


def test_games_not_shots_are_drawn() -> None:
    """Shots that repeat within a game add no evidence: the interval must not shrink."""
    made, game, truth, worse = games_of(50, 1, noise=0.4)
    once = compare(made, game, worse, truth)
    tenfold = compare(*(np.repeat(a, 10) for a in (made, game, worse, truth)))
    assert tenfold.high - tenfold.low == pytest.approx(once.high - once.low, rel=0.02)


def test_the_same_input_gives_the_same_verdict() -> None:
    made, game, truth, worse = games_of(40, 2, noise=0.3)
    assert compare(made, game, worse, truth) == compare(made, game, worse, truth)


def test_nothing_to_compare_is_an_error() -> None:
    with pytest.raises(ValueError, match="no shots"):
        compare(*(np.array([]) for _ in range(4)))


def test_the_ledger_entry_holds_the_numbers() -> None:
    made, game, truth, worse = games_of(100, 0, noise=0.35)
    entry = verdict_of(compare(made, game, worse, truth), 7, 6, 3, "version 6", ("2023-01-01", "2023-02-01"))
    assert (entry.candidate, entry.champion, entry.epoch, entry.games, entry.margin) == (7, 6, 3, 100, MARGIN)
    assert entry.gain_low is not None
    assert entry.gain is not None
    assert entry.gain_low < entry.gain
    assert "version 7 gains" in entry.reason
