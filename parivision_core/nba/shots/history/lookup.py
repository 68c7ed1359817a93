"""A feature state laid out for single shots: reading a number from a dictionary is faster than from an array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from parivision_core.arrays import Array


@dataclass(frozen=True)
class Lookup:
    """Where the features of a single shot are looked up."""

    base_logits: list[float]
    """Log odds of every cell of the base table."""
    strengths: tuple[dict[int, float], ...]
    """Key -> strength, a dictionary for each family in the order of `families.FAMILIES`."""
    shooter_shots: dict[int, float]

    @classmethod
    def of(
        cls,
        base_logits: Array,
        strengths: Mapping[str, tuple[Array, Array]],
        shooter_shots: tuple[Array, Array],
    ) -> Lookup:
        """From arrays; pairs are keys and values, each (n,)."""
        return cls(
            base_logits.tolist(),
            tuple(_dictionary(*pair) for pair in strengths.values()),
            _dictionary(*shooter_shots),
        )


def _dictionary(keys: Array, values: Array) -> dict[int, float]:
    return dict(zip(keys.tolist(), values.tolist(), strict=True))
