"""Is the candidate better than the champion on the same unseen games? A paired bootstrap clustered by game."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parivision_core.records import Decision, Verdict
from parivision_core.scoring import losses

MARGIN = 0.001
"""In nats of log loss a shot. Without it, a large window "proves" the noise between two seeds."""
LEVEL = 0.95
MIN_GAMES = 30
RESAMPLES = 4000
SEED = 7


@dataclass(frozen=True)
class Comparison:
    """Mean paired gain of the candidate in log loss a shot, with a percentile interval."""

    gain: float
    low: float
    high: float
    games: int
    shots: int
    candidate_log_loss: float
    champion_log_loss: float


def compare(
    made: NDArray[np.generic],
    game: NDArray[np.generic],
    champion: NDArray[np.floating],
    candidate: NDArray[np.floating],
    level: float = LEVEL,
) -> Comparison:
    """Compare two models' probabilities (n,) for the same shots, whose outcome is `made` (n,) and game `game` (n,).

    Shots of one game share shooters, defence and the arena's recorders, so whole games are drawn with replacement
    (cluster bootstrap, Cameron, Gelbach and Miller, 2008), and the mean is a ratio of the drawn games' sums.
    Raises ValueError for an empty set.
    """
    if not len(made):
        raise ValueError("no shots to compare on")
    ours, theirs = losses(made, candidate), losses(made, champion)
    games, index = np.unique(game, return_inverse=True)
    gains = np.bincount(index, weights=theirs - ours)
    shots = np.bincount(index)
    rng = np.random.default_rng(SEED)
    draws = rng.multinomial(len(games), np.full(len(games), 1 / len(games)), size=RESAMPLES)
    means = (draws @ gains) / (draws @ shots)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Comparison(
        gain=float((theirs - ours).mean()),
        low=float(low),
        high=float(high),
        games=len(games),
        shots=len(ours),
        candidate_log_loss=float(ours.mean()),
        champion_log_loss=float(theirs.mean()),
    )


def decide(comparison: Comparison, candidate: int, rival: str) -> tuple[Decision, str]:
    """The decision and its reason in words; the interval's lower end must lie above the margin."""
    c = comparison
    numbers = (
        f"version {candidate} gains {c.gain:+.5f} log loss a shot over {rival} on {c.games} unseen games "
        f"({c.shots:,} shots; {LEVEL:.0%} interval {c.low:+.5f} to {c.high:+.5f})"
    )
    if c.games < MIN_GAMES:
        return "not_yet", f"too few unseen games: {c.games} of {MIN_GAMES}; {numbers}"
    if c.low >= MARGIN:
        return "pass", f"{numbers}: the whole interval lies above the margin {MARGIN}"
    if c.high < MARGIN:
        return "refuse", f"{numbers}: the gain is below the margin {MARGIN}"
    return "refuse", f"{numbers}: not proven, the lower end must lie above the margin {MARGIN}"


def verdict_of(
    comparison: Comparison,
    candidate: int,
    champion: int | None,
    epoch: int,
    rival: str,
    dates: tuple[str, str],
) -> Verdict:
    """The ledger's entry for a comparison."""
    decision, reason = decide(comparison, candidate, rival)
    return Verdict(
        candidate=candidate,
        champion=champion,
        epoch=epoch,
        decision=decision,
        reason=reason,
        games=comparison.games,
        shots=comparison.shots,
        candidate_log_loss=comparison.candidate_log_loss,
        champion_log_loss=comparison.champion_log_loss,
        gain=comparison.gain,
        gain_low=comparison.low,
        gain_high=comparison.high,
        margin=MARGIN,
        level=LEVEL,
        first_date=dates[0],
        last_date=dates[1],
    )
