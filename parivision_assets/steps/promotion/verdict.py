"""The gate: whether a candidate is better than its rival on games that neither has seen.

A candidate passes when its gain is more than luck, by a bound that holds at every look (see `sequential`), and large
enough to be worth a swap. While it may still reach both, it is judged again on more games.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from parivision_assets.steps.clusters import mean_and_error
from parivision_assets.steps.promotion.miscalibration import Calibration, compare_calibration
from parivision_assets.steps.promotion.sequential import radius
from parivision_assets.steps.training.splitting import MIN_UNSEEN_GAMES
from parivision_core.records import Decision, Verdict
from parivision_core.scoring import losses
from parivision_core.settings import ACCURACY, LOG_LOSS

MARGIN = 0.001
"""Gain in nats of log loss a shot that is worth a swap. A large window "proves" less than the noise of two seeds."""
MIN_GAMES = MIN_UNSEEN_GAMES
"""Before the first look, because the bounds rest on the central limit theorem. A training leaves as many unseen."""
HORIZON = 400
"""Games after which an open candidate is refused: about two months, after which a new one has better data."""
FUTILITY = 0.05
"""The chance that a candidate is refused as hopeless although its gain is worth a swap."""
SLOPE_TOLERANCE = 0.02
ECE_TOLERANCE = 0.002
"""How much worse the calibration may be even beyond noise; far below what makes a candidate defective."""
ACCURACY_FALSE_PROMOTIONS = 0.99
"""Share of simulated seasons in which this rule promotes an equal model: 197 of 200 and 199 of 200, measured by
`python -m benchmarks.gate --data NBA_2020_Shots.csv.zip NBA_2021_Shots.csv.zip NBA_2023_Shots.csv.zip`."""


@dataclass(frozen=True)
class Side:
    """One of the two models, and what the gate must know of it."""

    name: str
    """In texts, such as "version 3"."""
    window_end: str
    """ISO date of the last game that it was fitted on."""
    seen_until: str
    """ISO date of the last game that it was fitted, stopped or chosen on."""
    probability: NDArray[np.floating]
    """Of a make, for every shot of the games (n,)."""
    is_champion: bool = True
    """False for the baseline, which is never served: the candidate's calibration isn't compared with it."""


@dataclass(frozen=True)
class Games:
    """The shots (n,) to judge on: outcome 0 or 1, and game; ISO dates of the first and the last."""

    made: NDArray[np.generic]
    game: NDArray[np.generic]
    first_date: str | None
    last_date: str | None

    @cached_property
    def index(self) -> NDArray[np.intp]:
        """Number of each shot's game, from 0 (n,)."""
        index: NDArray[np.intp] = np.unique(self.game, return_inverse=True)[1]
        return index

    @cached_property
    def shots(self) -> NDArray[np.intp]:
        """Shots of each game (games,)."""
        return np.bincount(self.index)


@dataclass(frozen=True)
class Comparison:
    """Mean paired gain of the candidate in log loss a shot, with bounds that hold at every look."""

    gain: float
    low: float
    high: float
    deviation: float
    """Standard deviation of the games' contributions to the gain."""
    candidate_log_loss: float
    rival_log_loss: float


@dataclass(frozen=True)
class Ruling:
    """A decision, its reason, and the comparisons that were made for it."""

    decision: Decision
    reason: str
    comparison: Comparison | None = None
    calibration: Calibration | None = None


Rule = Callable[[Side, Side, Games, float], Ruling]
"""(candidate, rival, games, alpha) -> ruling."""


def gate(candidate: Side, rival: Side, games: Games, alpha: float) -> Ruling:
    """Judge a candidate against the champion, or the baseline in its place, on the games that there are by now.

    `alpha` is the chance of passing by luck, over all looks. It passes when the lower bound of the gain is above 0, the
    gain reaches the margin, and calibration isn't worse than the champion's beyond noise. It is refused when the upper
    bound is below the margin or the horizon is reached. Otherwise the decision is `not_yet`.
    """
    if early := _before_comparing(candidate, rival, games):
        return early
    c, count = compare(candidate, rival, games, alpha), len(games.shots)
    numbers = (
        f"{candidate.name} gains {c.gain:+.5f} log loss a shot over {rival.name} on {count} unseen games "
        f"({len(games.made):,} shots; always-valid bounds {c.low:+.5f} and {c.high:+.5f})"
    )
    if c.low > 0 and c.gain >= MARGIN:
        calibration = compare_calibration(games.made, games.index, candidate.probability, rival.probability)
        if rival.is_champion and (worse := _worse(calibration, rival)):
            return Ruling("refuse", f"{numbers}, but {worse}", c, calibration)
        return Ruling("pass", f"{numbers}: more than luck, and worth a swap (from {MARGIN})", c, calibration)
    if c.high < MARGIN:
        return Ruling("refuse", f"{numbers}: it can't reach the {MARGIN} that a swap is worth", c)
    if count >= HORIZON:
        why = f"more than luck, but below the {MARGIN} that a swap is worth" if c.low > 0 else "it may still be luck"
        return Ruling("refuse", f"{numbers}: refused, because it is still undecided after {HORIZON} games: {why}", c)
    later = f"it will be judged again on more games, and refused if it is still undecided at {HORIZON}"
    return Ruling("not_yet", f"{numbers}: not decided yet; {later}", c)


def by_accuracy(candidate: Side, rival: Side, games: Games, alpha: float) -> Ruling:
    """The original system's rule: the model with the higher accuracy on the same test games.

    It exists for comparison; its reason says how often it promotes a model that is no better.
    """
    if early := _before_comparing(candidate, rival, games):
        return early
    made = np.asarray(games.made) == 1
    ours, theirs = (float(np.mean((side.probability >= 0.5) == made)) for side in (candidate, rival))
    reason = (
        f"{candidate.name} has an accuracy of {ours:.4f}, {rival.name} of {theirs:.4f} on the same {len(games.shots)} "
        f"unseen games ({len(made):,} shots); {warning(ACCURACY)}"
    )
    return Ruling("pass" if ours > theirs else "refuse", reason, compare(candidate, rival, games, alpha))


RULES: dict[str, Rule] = {LOG_LOSS: gate, ACCURACY: by_accuracy}


def warning(rule: str) -> str:
    """A warning about a rule; empty for the default one."""
    if rule == LOG_LOSS:
        return ""
    return (
        f"PARIVISION_GATE={rule} promotes a model that is no better in {ACCURACY_FALSE_PROMOTIONS:.0%} of simulated "
        f"seasons; unset it, so that candidates have to prove their gain"
    )


def compare(candidate: Side, rival: Side, games: Games, alpha: float) -> Comparison:
    """Compare two models' log loss on the same shots.

    Shots of one game share shooters, defence and the arena's recorders, so games are the unit of noise: the gain is a
    ratio of sums over games, and its deviation that of the games' linearised contributions to it. Raises ValueError
    for a loss that isn't finite.
    """
    ours, theirs = losses(games.made, candidate.probability), losses(games.made, rival.probability)
    gain, error = mean_and_error(theirs - ours, games.index)
    if not np.isfinite(gain):
        raise ValueError(f"the predictions of {candidate.name} or {rival.name} aren't probabilities")
    count = len(games.shots)
    deviation = error * math.sqrt(count)
    return Comparison(
        gain=gain,
        low=gain - radius(deviation, count, alpha),
        high=gain + radius(deviation, count, FUTILITY),
        deviation=deviation,
        candidate_log_loss=float(ours.mean()),
        rival_log_loss=float(theirs.mean()),
    )


def refusal(candidate: int, champion: int | None, epoch: int, reason: str) -> Verdict:
    """The ledger's entry for a candidate that is refused without a comparison."""
    return Verdict(
        candidate=candidate,
        champion=champion,
        epoch=epoch,
        decision="refuse",
        reason=reason,
        games=0,
        shots=0,
        margin=MARGIN,
        level=1 - FUTILITY,
    )


def _before_comparing(candidate: Side, rival: Side, games: Games) -> Ruling | None:
    """Why there is nothing to compare, or not yet; None when there is."""
    seen = max(candidate.seen_until, rival.seen_until)
    if candidate.window_end < rival.window_end:
        return Ruling(
            "refuse",
            f"{candidate.name} was fitted on games up to {candidate.window_end}, an older window than that of "
            f"{rival.name}, which goes up to {rival.window_end}",
        )
    if games.first_date is not None and games.first_date <= seen:
        biased = candidate if candidate.seen_until == seen else rival
        return Ruling(
            "refuse",
            f"{biased.name} has seen games up to {seen}, and those to judge on begin on {games.first_date}: games "
            "that a model has seen prove nothing",
        )
    if len(games.shots) < MIN_GAMES:
        return Ruling("not_yet", f"{len(games.shots)} games since {seen} are unseen by both; {MIN_GAMES} are needed")
    return None


def _worse(calibration: Calibration, rival: Side) -> str:
    """How the candidate's calibration is worse than its rival's beyond noise; empty when it isn't."""
    slope, ece = calibration.slope, calibration.ece
    found = []
    if slope.at_least > SLOPE_TOLERANCE:
        found.append(
            f"its calibration slope {slope.candidate:.3f} is farther from 1 than {slope.rival:.3f} of {rival.name}, "
            f"beyond noise by at least {slope.at_least:.3f} (allowed {SLOPE_TOLERANCE})"
        )
    if ece.at_least > ECE_TOLERANCE:
        found.append(
            f"its calibration error {ece.candidate:.4f} is larger than {ece.rival:.4f} of {rival.name}, beyond noise "
            f"by at least {ece.at_least:.4f} (allowed {ECE_TOLERANCE})"
        )
    return " and ".join(found)
