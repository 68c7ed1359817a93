"""Damage: a file with one bit changed at a time, as a failing disk leaves it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from parivision_core.problems import PariVisionError


def results_of_flips(files: Iterable[Path], flips: int, read: Callable[[], Any], seed: int = 1) -> Counter[str]:
    """How often reading all was refused, gave what it gave before, or, silently, something else.

    `flips` bits are changed in each file, one at a time; `read` reads everything as the platform does.
    """
    drawn, sound, found = random.Random(seed), read(), Counter[str]()
    for file in files:
        whole = file.read_bytes()
        for _ in range(flips):
            damaged = bytearray(whole)
            place = drawn.randrange(len(damaged))
            damaged[place] ^= 1 << drawn.randrange(8)
            for beside in file.parent.glob(f"{file.name}-*"):  # SQLite's log and index, left by the last reading
                beside.unlink()
            file.write_bytes(damaged)
            try:
                found["same" if equal(read(), sound) else f"silent at {place} of {file.name}"] += 1
            except PariVisionError:
                found["refused"] += 1
        file.write_bytes(whole)
    return found


def equal(one: Any, other: Any) -> bool:
    """Whether two readings are equal; tables are compared by content."""
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one.equals(other)) if isinstance(one, pa.Table) else bool(one == other)
