"""How often each promotion rule promotes a model that is only equal, and how often it recognises a better one.

`python -m benchmarks.gate --data FILE...` prints one JSON. Shots and fitted models are real; outcomes are simulated
from known true probabilities, so that "equal" and "better by 0.005" hold by construction; games are drawn with
replacement. `false_promotion_season` is the share of seasons of 1,230 games in which any equal candidate is promoted,
with a new candidate every 86 games. `power_...` is the share of candidates promoted within 150 games whose true gain is
that much log loss per shot.

* `ours` is the platform's gate, which looks every ten games and gives each candidate its own share of the risk; the
  power is that of the first candidate of a term, and `later` that of the tenth.
* `accuracy` is the rule of PARIVISION_GATE=accuracy at its best: one look, at 86 or at all 150 games.
* `original` is the rule of the original system: the highest accuracy on a model's own training rows. Its models come
  from the original recipe. Models of one recipe are equal before they are drawn; the power is measured over pairs of
  which one model has an expected loss lower by 0.004 to 0.006, or 0.001 to 0.003.

`harder` repeats `ours` for two models that use different halves of the features, whose differences are noisiest.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.model_pairs import Forests, Shots, expected_loss, forests, refit, shots_of, stretched, truth_between
from parivision_assets.steps.promotion.sequential import alpha_of
from parivision_assets.steps.promotion.verdict import (
    HORIZON,
    MIN_GAMES,
    Games,
    Ruling,
    Side,
    by_accuracy,
    compare,
    gate,
)
from parivision_core.arrays import Floats

SEASON = 1_230
CANDIDATE_EVERY = 86
"""Games of 174 shots until a new candidate is trained, see PARIVISION_RETRAIN_SHOTS."""
LOOK_EVERY = 10
WITHIN = 150
GAINS = {"power_005": 0.005, "power_002": 0.002}
TOLERANCE = 0.001
"""Tolerance for the gain of a pair of the original's models, since no pair has exactly the wanted one."""
BEFORE, DURING = "2000-01-01", "2000-01-02"
"""Dates of training and of the games: no model has seen any game, and no training window is older than another."""


@dataclass(frozen=True)
class Played:
    """Drawn games with simulated outcomes: rows of the test shots, their outcomes, and the start of each game."""

    rows: np.ndarray
    made: np.ndarray
    begins: np.ndarray

    def judged(self, rule: Any, candidate: Floats, champion: Floats, first: int, count: int, alpha: float) -> Any:
        """The decision of a rule on two models, on `count` games from the game `first` on."""
        shots = slice(self.begins[first], self.begins[first + count])
        sides = [
            Side(name, BEFORE, BEFORE, model[self.rows[shots]])
            for name, model in (("candidate", candidate), ("champion", champion))
        ]
        games = np.repeat(np.arange(count), np.diff(self.begins[first : first + count + 1]))
        return rule(*sides, Games(self.made[shots], games, DURING, DURING), alpha)


def played(shots: Shots, truth: Floats, games: int, rng: np.random.Generator) -> Played:
    """Draw games with replacement, and outcomes from the true probabilities."""
    starts = np.searchsorted(shots.game, np.arange(shots.games + 1))
    drawn = rng.integers(shots.games, size=games)
    rows = np.concatenate([np.arange(starts[game], starts[game + 1]) for game in drawn])
    begins = np.concatenate([[0], np.cumsum(np.diff(starts)[drawn])])
    return Played(rows, (rng.random(len(rows)) < truth[rows]).astype(np.int8), begins)


def looked_at(found: Played, candidate: Floats, champion: Floats, first: int, last: int, place: int) -> tuple[str, int]:
    """The gate's decision on a candidate, and the number of games after which it was made."""
    counts = range(MIN_GAMES, min(HORIZON, last - first) + 1, LOOK_EVERY)
    for count in counts:
        ruling: Ruling = found.judged(gate, candidate, champion, first, count, alpha_of(place))
        if ruling.decision != "not_yet":
            return ruling.decision, count
    return "not_yet", counts[-1]


def a_season(shots: Shots, truth: Floats, champion: Floats, candidates: list[Floats], rng: np.random.Generator) -> Any:
    """Whether the gate, and whether the accuracy rule promotes any equal candidate of a season."""
    found = played(shots, truth, SEASON, rng)
    ours = accuracy = False
    for place, first in enumerate(range(0, SEASON - MIN_GAMES, CANDIDATE_EVERY), start=1):
        candidate = candidates[place % len(candidates)]
        ours = ours or looked_at(found, candidate, champion, first, SEASON, place)[0] == "pass"
        judged = min(CANDIDATE_EVERY, SEASON - first)
        accuracy = accuracy or found.judged(by_accuracy, candidate, champion, first, judged, 0.05).decision == "pass"
    return ours, accuracy


def equal_pair(
    shots: Shots, truth: Floats, models: list[Floats], seasons: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Results of seasons of equal candidates: each model but the first is made exactly as good as the first."""
    champion = models[0]
    candidates = [stretched(truth, model, expected_loss(truth, champion)) for model in models[1:]]
    ends = np.array([a_season(shots, truth, champion, candidates, rng) for _ in range(seasons)])
    games = played(shots, truth, SEASON, rng)
    return {
        "ours": float(ends[:, 0].mean()),
        "accuracy": float(ends[:, 1].mean()),
        "expected_gain": expected_loss(truth, champion) - expected_loss(truth, candidates[0]),
        "spread": games.judged(compare, candidates[0], champion, 0, SEASON, 0.05).deviation,
    }


def power(
    shots: Shots, truth: Floats, models: list[Floats], gain: float, tries: int, place: int, rng: np.random.Generator
) -> dict[str, Any]:
    """How often a candidate with a true gain is promoted: the second model, over the first, which is made worse."""
    candidate = models[1]
    champion = stretched(truth, models[0], expected_loss(truth, candidate) + gain)
    ends, accuracy = [], []
    for _ in range(tries):
        found = played(shots, truth, WITHIN, rng)
        ends.append(looked_at(found, candidate, champion, 0, WITHIN, place))
        accuracy.append(found.judged(by_accuracy, candidate, champion, 0, WITHIN, 0.05).decision == "pass")
    passed = [games for decision, games in ends if decision == "pass"]
    return {
        "ours": len(passed) / tries,
        "accuracy": float(np.mean(accuracy)),
        "games": median(passed) if passed else None,
        "spread": found.judged(compare, candidate, champion, 0, WITHIN, 0.05).deviation,
    }


def originals(pool: Forests, rng: np.random.Generator, seasons: int = 10_000) -> dict[str, float | None]:
    """Results of the original's rule with models of its own recipe."""
    candidates = len(range(0, SEASON - MIN_GAMES, CANDIDATE_EVERY))
    drawn = pool.score[rng.integers(len(pool.score), size=(seasons, 1 + candidates))]
    found: dict[str, float | None] = {"false_promotion_season": float((drawn[:, 1:].max(axis=1) > drawn[:, 0]).mean())}
    gains = pool.loss[:, None] - pool.loss[None, :]  # of the model of the column over that of the row
    for name, gain in GAINS.items():
        pairs = np.abs(gains - gain) <= TOLERANCE
        higher = pool.score[None, :] > pool.score[:, None]
        found[name] = float(higher[pairs].mean()) if pairs.any() else None
    return found


def measure(files: list[Path], seasons: int, tries: int, count: int, seed: int) -> dict[str, Any]:
    """Everything that is printed."""
    rng, shots = np.random.default_rng(seed), shots_of(files)
    refits = [refit(shots, seed + n) for n in range(count)]
    truth, models = truth_between(refits)
    equal = equal_pair(shots, truth, models, seasons, rng)
    better = {name: power(shots, truth, models, gain, tries, 1, rng) for name, gain in GAINS.items()}
    between, apart = truth_between([refit(shots, seed, half) for half in (np.s_[::2], np.s_[1::2])])
    harder = equal_pair(shots, between, apart, seasons, rng)
    harder |= {name: power(shots, between, apart, gain, tries, 1, rng) for name, gain in GAINS.items()}
    return {
        "results": {
            "original": originals(forests(shots, truth, tries // 4 or 2, rng), rng),
            **{
                rule: {"false_promotion_season": equal[rule], **{name: found[rule] for name, found in better.items()}}
                for rule in ("accuracy", "ours")
            },
        },
        "equal": {
            "expected_gain": equal["expected_gain"],
            "spread": equal["spread"],
            "spread_with_real_outcomes": spread(shots, refits),
        },
        "better": better,
        "later": {name: power(shots, truth, models, gain, tries // 4 or 1, 10, rng) for name, gain in GAINS.items()},
        "harder": harder,
        "rows": {"train": len(shots.train), "validation": len(shots.validation), "test": len(shots.test)},
        "games": shots.games,
        "looks": f"every {LOOK_EVERY} games from {MIN_GAMES} on",
        "horizon": HORIZON,
        "season": SEASON,
        "replications": {"seasons": seasons, "candidates": tries},
    }


def spread(shots: Shots, models: list[Floats]) -> float:
    """Standard deviation of the games' mean differences between two refits, with the real outcomes."""
    sides = [Side(name, BEFORE, BEFORE, model) for name, model in zip("ab", models[:2], strict=True)]
    return compare(*sides, Games(shots.test.made, shots.game, DURING, DURING), 0.05).deviation


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", nargs="+", type=Path, required=True, help="season files; games are drawn from the newest season"
    )
    parser.add_argument("--seasons", type=int, default=200, help="simulated seasons of equal candidates")
    parser.add_argument("--candidates", type=int, default=400, help="simulated candidates of each gain")
    parser.add_argument("--refits", type=int, default=3, help="models to fit; the first is the champion")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    found = measure(chosen.data, chosen.seasons, chosen.candidates, chosen.refits, chosen.seed)
    print(json.dumps({**found, "cpu_seconds": round(time.process_time(), 1)}, indent=1))


if __name__ == "__main__":
    main()
