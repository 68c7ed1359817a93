"""The gate's rules: luck doesn't pass, a real gain does, open candidates wait, worse and biased ones are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parivision_assets.steps.promotion.sequential import alpha_of
from parivision_assets.steps.promotion.verdict import (
    HORIZON,
    MARGIN,
    MIN_GAMES,
    RULES,
    Games,
    Ruling,
    Side,
    by_accuracy,
    compare,
    gate,
    refusal,
    warning,
)
from parivision_core.scoring import logit, losses, sigmoid
from parivision_core.settings import GATES

ALPHA = alpha_of(1)
SHOTS = 170


class KnownGames:
    """Games whose true probabilities are known."""

    def __init__(self, games: int, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.truth = sigmoid(self.rng.normal(-0.2, 0.6, games * SHOTS))
        made = (self.rng.random(len(self.truth)) < self.truth).astype(int)
        self.games = Games(made, np.repeat(np.arange(games), SHOTS), "2023-01-02", "2023-03-01")

    def side(self, name: str, noise: float = 0.0, factor: float = 1.0, seen: str = "2023-01-01") -> Side:
        """A model that errs by `noise` in log odds and is over-confident by `factor`."""
        log_odds = factor * logit(self.truth) + self.rng.normal(0, noise, len(self.truth))
        return Side(name, "2022-12-01", seen, sigmoid(log_odds))

    def until(self, games: int, *sides: Side) -> tuple[Games, list[Side]]:
        """The first so many of the games, and the sides on them."""
        n = games * SHOTS
        some = replace(self.games, made=self.games.made[:n], game=self.games.game[:n])
        return some, [replace(side, probability=side.probability[:n]) for side in sides]


def test_a_real_gain_passes_and_its_mirror_image_is_refused() -> None:
    known = KnownGames(100)
    right, wrong = known.side("version 2"), known.side("version 1", noise=0.35)
    ruling = gate(right, wrong, known.games, ALPHA)
    assert ruling.decision == "pass"
    assert ruling.comparison is not None
    assert ruling.comparison.gain > 0.005
    assert ruling.calibration is not None
    assert "version 2 gains +0.0" in ruling.reason
    assert "over version 1 on 100 unseen games (17,000 shots" in ruling.reason
    mirrored = gate(wrong, right, known.games, ALPHA)
    assert mirrored.decision == "refuse"
    assert "it can't reach the" in mirrored.reason


def test_an_equal_model_hardly_ever_passes_however_often_one_looks() -> None:
    passed = 0
    for seed in range(60):
        known = KnownGames(150, seed)
        one, other = known.side("one", 0.1), known.side("other", 0.1)
        for count in range(MIN_GAMES, 151, 10):
            games, (candidate, rival) = known.until(count, one, other)
            ruling = gate(candidate, rival, games, ALPHA)
            passed += ruling.decision == "pass"
            if ruling.decision != "not_yet":
                break
    assert passed <= 3


def test_an_undecided_candidate_is_decided_by_more_games() -> None:
    known = KnownGames(HORIZON, seed=5)
    better, worse = known.side("version 2"), known.side("version 1", noise=0.16)
    decisions = []
    for count in (MIN_GAMES, 60, 120, 240, HORIZON):
        games, (candidate, rival) = known.until(count, better, worse)
        decisions.append(gate(candidate, rival, games, ALPHA).decision)
    assert decisions[0] == "not_yet"
    assert decisions[-1] == "pass"
    assert "refuse" not in decisions


def test_an_undecided_candidate_is_refused_at_the_horizon() -> None:
    known = KnownGames(HORIZON, seed=3)
    alike = [known.side(name, noise=0.5) for name in ("version 2", "version 1")]
    games, (candidate, rival) = known.until(HORIZON - 1, *alike)
    assert gate(candidate, rival, games, ALPHA).decision == "not_yet"
    ruling = gate(*alike, known.games, ALPHA)
    assert ruling.decision == "refuse"
    assert f"refused, because it is still undecided after {HORIZON} games: it may still be luck" in ruling.reason


def test_a_gain_below_the_margin_is_not_worth_a_swap_however_sure() -> None:
    known = KnownGames(3000, seed=3)
    slight = known.side("version 1", factor=0.93)
    ruling = gate(known.side("version 2"), slight, known.games, ALPHA)
    assert ruling.comparison is not None
    assert 0 < ruling.comparison.low < ruling.comparison.gain < MARGIN
    assert ruling.decision == "refuse"


def test_the_same_model_again_is_refused_at_once() -> None:
    known = KnownGames(MIN_GAMES)
    side = known.side("version 2", noise=0.1)
    assert gate(side, side, known.games, ALPHA).decision == "refuse"


def test_later_candidates_need_more_proof() -> None:
    known = KnownGames(100)
    right, wrong = known.side("version 2"), known.side("version 1", noise=0.3)
    first, tenth = (compare(right, wrong, known.games, alpha_of(tried)) for tried in (1, 10))
    assert first.low > tenth.low
    assert (first.gain, first.high) == (tenth.gain, tenth.high)


@pytest.mark.parametrize("games", [0, 1, MIN_GAMES - 1])
@pytest.mark.parametrize("rule", RULES)
def test_too_few_games_is_not_yet(rule: str, games: int) -> None:
    known = KnownGames(max(games, 1))
    seen, sides = known.until(games, known.side("version 2"), known.side("version 1", noise=1.0))
    ruling = RULES[rule](*sides, replace(seen, first_date=None, last_date=None) if not games else seen, ALPHA)
    assert ruling == Ruling("not_yet", f"{games} games since 2023-01-01 are unseen by both; {MIN_GAMES} are needed")


@pytest.mark.parametrize("rule", RULES)
def test_games_that_either_model_has_seen_prove_nothing(rule: str) -> None:
    known = KnownGames(60)
    innocent, other = known.side("version 1", noise=0.5), known.side("version 2", noise=0.5, seen="2023-01-02")
    for pair in ((innocent, other), (other, innocent)):
        ruling = RULES[rule](*pair, known.games, ALPHA)
        assert ruling.decision == "refuse"
        assert ruling.comparison is None
        assert "version 2 has seen games up to 2023-01-02, and those to judge on begin on 2023-01-02" in ruling.reason


@pytest.mark.parametrize("rule", RULES)
def test_an_older_window_is_refused_even_if_it_is_better(rule: str) -> None:
    known = KnownGames(60)
    older = replace(known.side("version 2"), window_end="2022-11-30")
    ruling = RULES[rule](older, known.side("version 1", noise=1.0), known.games, ALPHA)
    assert (ruling.decision, ruling.comparison) == ("refuse", None)
    assert "version 2 was fitted on games up to 2022-11-30, an older window than that of version 1" in ruling.reason


def test_calibration_must_not_become_worse() -> None:
    """Better by log loss but over-confident; then with all probabilities shifted, which the error shows."""
    known = KnownGames(300, seed=4)
    blurred = logit(known.truth) + 0.2 + known.rng.normal(0, 0.6, len(known.truth))
    vague = replace(known.side("version 1"), probability=sigmoid(blurred / 2 - 0.2))  # less informed, but calibrated
    confident = known.side("version 2", factor=1.3)
    ruling = gate(confident, vague, known.games, ALPHA)
    assert ruling.comparison is not None
    assert ruling.comparison.low > 0
    assert ruling.decision == "refuse"
    assert "but its calibration slope 0.7" in ruling.reason
    assert "of version 1, beyond noise by at least" in ruling.reason
    assert (
        gate(confident, replace(vague, is_champion=False), known.games, ALPHA).decision == "pass"
    )  # a baseline is never served
    shifted = replace(confident, probability=sigmoid(logit(known.truth) + 0.12))
    ruling = gate(shifted, vague, known.games, ALPHA)
    assert ruling.decision == "refuse"
    assert "its calibration error 0.0" in ruling.reason


def test_games_not_shots_are_the_unit() -> None:
    """Shots that repeat within a game add no evidence: the bounds must not move."""
    known = KnownGames(50, seed=1)
    right, wrong = known.side("version 2"), known.side("version 1", noise=0.4)
    once = compare(right, wrong, known.games, ALPHA)
    sides = [replace(side, probability=np.repeat(side.probability, 10)) for side in (right, wrong)]
    games = replace(known.games, made=np.repeat(known.games.made, 10), game=np.repeat(known.games.game, 10))
    tenfold = compare(*sides, games, ALPHA)
    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high))


def test_a_game_counts_by_its_shots() -> None:
    """The gain is that of all shots, and its deviation that of a ratio: games of two sizes, one gain a shot each."""
    made = np.ones(300, dtype=int)
    game = np.repeat(np.arange(60), np.tile([2, 8], 30))
    better, worse = (Side(name, "a", "a", np.full(300, p)) for name, p in (("version 2", 0.6), ("version 1", 0.5)))
    found = compare(better, worse, Games(made, game, "b", "c"), ALPHA)
    assert found.gain == pytest.approx(np.log(0.6 / 0.5))
    assert found.deviation == pytest.approx(0, abs=1e-12)


@given(st.permutations(range(40)))
def test_the_order_of_the_games_does_not_matter(order: list[int]) -> None:
    known = KnownGames(40, seed=2)
    right, wrong = known.side("version 2", noise=0.1), known.side("version 1", noise=0.4)
    rows = np.concatenate([np.arange(g * SHOTS, (g + 1) * SHOTS) for g in order])
    games = replace(known.games, made=known.games.made[rows], game=known.games.game[rows])
    shuffled = compare(*(replace(side, probability=side.probability[rows]) for side in (right, wrong)), games, ALPHA)
    as_they_came = compare(right, wrong, known.games, ALPHA)
    assert (shuffled.gain, shuffled.low, shuffled.high) == pytest.approx(
        (as_they_came.gain, as_they_came.low, as_they_came.high)
    )


def test_predictions_that_are_no_probabilities_are_an_error() -> None:
    known = KnownGames(MIN_GAMES)
    with pytest.raises(ValueError, match="the predictions of version 2 or version 1 aren't probabilities"):
        gate(known.side("version 2", noise=float("nan")), known.side("version 1"), known.games, ALPHA)


def test_accuracy_decides_at_once_and_says_how_often_that_is_luck() -> None:
    known = KnownGames(100, seed=1)
    better, worse = known.side("version 2"), known.side("version 1", noise=1.0)
    for pair, decision in (((better, worse), "pass"), ((worse, better), "refuse"), ((better, better), "refuse")):
        ruling = by_accuracy(*pair, known.games, ALPHA)
        assert ruling.decision == decision
        assert warning("accuracy") in ruling.reason
    assert "has an accuracy of 0.6" in by_accuracy(better, worse, known.games, ALPHA).reason


def test_every_rule_of_the_settings_exists_and_only_accuracy_has_a_warning() -> None:
    assert tuple(RULES) == GATES
    assert warning("log_loss") == ""
    assert "% of simulated seasons" in warning("accuracy")


def test_the_comparisons_numbers_are_those_of_scoring() -> None:
    known = KnownGames(40)
    right, wrong = known.side("version 2"), known.side("version 1", noise=0.4)
    found = compare(right, wrong, known.games, ALPHA)
    assert found.candidate_log_loss == pytest.approx(losses(known.games.made, right.probability).mean())
    assert found.gain == pytest.approx(found.rival_log_loss - found.candidate_log_loss)


def test_a_refusal_without_a_comparison_holds_its_reason() -> None:
    entry = refusal(3, None, 2, "it is defective")
    assert (entry.candidate, entry.champion, entry.epoch, entry.decision) == (3, None, 2, "refuse")
    assert (entry.reason, entry.games, entry.gain, entry.tried) == ("it is defective", 0, None, None)
