"""What several routes share: the pair in service or a 503, and OpenAPI operations that promise what is answered."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from litestar.openapi.spec import Operation

from parivision_serving.champion import NO_CHAMPION, Pair, Watcher
from parivision_serving.problems import NotReadyError


@dataclass
class PlainOperation(Operation):
    """An operation without the 400 that Litestar documents for every handler with input: ours answer 422."""

    def __post_init__(self) -> None:
        """Drop it."""
        if self.responses:
            self.responses.pop("400", None)


def served(watcher: Watcher) -> Pair:
    """The pair in service.

    Raises NotReadyError saying why there is none.
    """
    pair = watcher.pair
    if pair is None:
        raise NotReadyError(watcher.problem or NO_CHAMPION, ceil(watcher.poll_seconds))
    return pair
