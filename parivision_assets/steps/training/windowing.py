"""How far back to train: the newest parts (seasons) whose models predict the validation games best.

How shots are taken and recorded changes over the years, so older seasons are more data, but from other conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parivision_assets.steps.clusters import mean_and_error
from parivision_assets.steps.training.fitting import SEED, XGBOOST, TrainingRows, boost, masked, predict_boosted
from parivision_assets.steps.training.splitting import MIN_TRAIN_GAMES, Split
from parivision_core.problems import NotEnoughGamesError
from parivision_core.scoring import losses
from parivision_core.sport import Sport

LENGTHS = (1, 2, 3)
"""Numbers of parts in the windows that are compared; a window of all parts is compared, too."""
REACH = 6
"""Parts that are used at most: it bounds the cost, and older ones never helped."""
CHEAP: dict[str, Any] = {**XGBOOST, "eta": 0.3, "max_depth": 5}
ROUNDS, PATIENCE = 60, 5
USUAL = 3
"""Parts in the window that is used unless another is proven better. Measured on 2016-2021: a cheap fit finds all five
seasons better by 1.9 standard errors, but a full fit on three predicts 2023 better than on five (0.6339, 0.6344)."""
NOISE = 2.0
"""Standard errors beyond which a window is better than the usual one."""


@dataclass(frozen=True)
class TrainingWindow:
    """The newest parts, and the score of a cheap fit on them on the validation games."""

    parts: tuple[str, ...]
    log_loss: float
    gain: float
    """Log loss a shot below that of the usual window; 0 for that one."""
    error: float
    """Standard error of `gain`, by game."""

    def __str__(self) -> str:
        found = f"window of {len(self.parts)} ({self.parts[0]} to {self.parts[-1]}): log loss {self.log_loss:.5f}, "
        if self.gain == self.error == 0:
            return found + "the usual one"
        change = f"{abs(self.gain):.5f} {'better' if self.gain > 0 else 'worse'} than the usual one"
        return f"{found}{change}, standard error {self.error:.5f}"


def choose_window(
    rows: TrainingRows,
    part: NDArray[np.str_],
    game: NDArray[np.generic],
    periods: Split,
    sport: Sport,
    log: Callable[[str], None] = lambda _: None,
) -> tuple[tuple[str, ...], list[TrainingWindow]]:
    """The parts to train on, and every window that was tried (none when there is no choice).

    `part` and `game` (n,) are those of the rows. Each window gets a cheap fit, scored on the same validation games. The
    newest three parts are used unless another window is better by more than noise.
    Raises NotEnoughGamesError when no window holds enough games to train on.
    """
    windows = [w for w in _windows(sorted(set(part.tolist()))) if _games(part, game, periods, w) >= MIN_TRAIN_GAMES]
    if not windows:
        raise NotEnoughGamesError(f"fewer than {MIN_TRAIN_GAMES} games lie before the validation games; add more days")
    if len(windows) == 1:
        return windows[0], []
    validation = masked(rows.take(periods.validation), sport, SEED + 1)
    found = []
    for window in windows:
        train = masked(rows.take(periods.train & np.isin(part, window)), sport)
        booster = boost(CHEAP, train, validation, ROUNDS, PATIENCE)
        found.append(losses(validation.made, predict_boosted(booster, validation.features, validation.offset)))
    usual = found[windows.index(usual_of(windows))]
    tried = [
        TrainingWindow(window, float(loss.mean()), *mean_and_error(usual - loss, game[periods.validation]))
        for window, loss in zip(windows, found, strict=True)
    ]
    for each in tried:
        log(str(each))
    return prefer(tried).parts, tried


def usual_of(windows: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The longest of at most three parts, else the shortest."""
    short = [window for window in windows if len(window) <= USUAL]
    return max(short, key=len) if short else min(windows, key=len)


def prefer(tried: Sequence[TrainingWindow]) -> TrainingWindow:
    """The window that gains most of those that gain more than noise, else the usual one."""
    better = [window for window in tried if window.gain > NOISE * window.error]
    if better:
        return max(better, key=lambda window: window.gain)
    return next(window for window in tried if window.parts == usual_of([window.parts for window in tried]))


def _windows(parts: Sequence[str]) -> list[tuple[str, ...]]:
    """The newest 1, 2, 3 and all of the parts, each once, shortest first."""
    return [tuple(parts[-length:]) for length in sorted({min(n, len(parts)) for n in (*LENGTHS, len(parts))} - {0})]


def _games(part: NDArray[np.str_], game: NDArray[np.generic], periods: Split, window: tuple[str, ...]) -> int:
    return len(np.unique(game[periods.train & np.isin(part, window)]))
