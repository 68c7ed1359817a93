"""What the routes that need a champion share: the pair in service, or a 503."""

from __future__ import annotations

from math import ceil

from parivision_serving.prediction.champion import NO_CHAMPION, Pair, Watcher
from parivision_serving.web.problems import NotReadyError


def served(watcher: Watcher) -> Pair:
    """The pair in service.

    Raises NotReadyError saying why there is none.
    """
    pair = watcher.pair
    if pair is None:
        raise NotReadyError(watcher.problem or NO_CHAMPION, ceil(watcher.poll_seconds))
    return pair
