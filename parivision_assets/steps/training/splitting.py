"""The split by date and game: games to fit a model on, games to choose and stop it, and games that stay unseen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parivision_core.problems import NotEnoughGamesError

MIN_UNSEEN_GAMES = 30
MIN_TRAIN_GAMES = 60
SHARE = 0.1
"""Share of the games for validation, and the same share again that stays unseen."""
MAX_GAMES = 250
"""More than this many unseen games sharpen the verdict little but cost the model its newest training data."""


@dataclass(frozen=True)
class Split:
    """Row masks (n,) of the three periods, which follow each other in time; no game and no day lies in two."""

    train: NDArray[np.bool_]
    validation: NDArray[np.bool_]
    unseen: NDArray[np.bool_]
    last_train_date: str
    seen_until: str
    """Last date of validation: every later game is unseen."""


def split(game_date: NDArray[np.str_], game_id: NDArray[np.int64]) -> Split:
    """Split rows (n,) so that at least 30 of the newest games stay unseen.

    Raises NotEnoughGamesError saying how many games there are and how many are needed.
    """
    dates = np.asarray(game_date, dtype=str)
    days, day = np.unique(dates, return_inverse=True)
    # A game whose id covers several days belongs to the last of them.
    games, game = np.unique(np.asarray(game_id), return_inverse=True)
    last_day = np.zeros(len(games), dtype=np.int64)
    np.maximum.at(last_day, game, day)
    held_out = int(np.clip(SHARE * len(games), MIN_UNSEEN_GAMES, MAX_GAMES))
    needed = MIN_TRAIN_GAMES + 2 * MIN_UNSEEN_GAMES
    if len(games) < needed:
        raise NotEnoughGamesError(f"{len(games)} games are too few to train and judge a model; {needed} are needed")
    per_day = np.bincount(last_day, minlength=len(days))
    from_day = np.cumsum(per_day[::-1])[::-1]
    first_unseen = int(np.flatnonzero(from_day >= held_out)[-1])
    earlier = np.flatnonzero(from_day >= from_day[first_unseen] + held_out)
    first_validation = int(earlier[-1]) if len(earlier) else 0
    if len(games) - from_day[first_validation] < MIN_TRAIN_GAMES:
        raise NotEnoughGamesError(
            f"{len(games)} games lie on only {len(days)} days, which leaves too few to train on; add more days"
        )
    row_day = last_day[game]
    return Split(
        train=row_day < first_validation,
        validation=(row_day >= first_validation) & (row_day < first_unseen),
        unseen=row_day >= first_unseen,
        last_train_date=str(days[first_validation - 1]),
        seen_until=str(days[first_unseen - 1]),
    )
