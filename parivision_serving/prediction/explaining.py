"""Explains a probability: how it would change if one known input were unknown, for each of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from parivision_core.sport import Sport
from parivision_serving.prediction.champion import Pair
from parivision_serving.prediction.schemas import Effect, Explanation


def explain(pair: Pair, sport: Sport, request: Any) -> Explanation:
    """What moved the probability of a request without problems, in one call of the bundle."""
    without = sport.occlusions(request, pair.feature_state)
    probability = pair.bundle.predict(without.features, without.offset).astype(np.float64)
    hidden = np.bincount(without.hidden, weights=without.weights * probability[1:], minlength=len(without.names))
    changes = (probability[0] - hidden).tolist()
    effects = [Effect(by=name, change=change) for name, change in zip(without.names, changes, strict=True)]
    return Explanation(
        league_make_rate=without.league_make_rate, effects=sorted(effects, key=lambda effect: -abs(effect.change))
    )
