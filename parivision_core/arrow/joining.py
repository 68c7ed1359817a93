"""Joins record batches: a stream may hold a row in each, and every batch costs milliseconds of work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from parivision_core.arrow.columns import Column


def joined(batches: Iterable[dict[str, Column]], rows: int) -> Iterator[dict[str, Column]]:
    """A stream's batches in their order, joined until they have at least `rows` rows; the rest comes last."""
    pending: list[dict[str, Column]] = []
    held = 0
    for batch in batches:
        pending.append(batch)
        held += len(next(iter(batch.values())).values)
        if held >= rows:
            yield _joined(pending)
            pending, held = [], 0
    if pending:
        yield _joined(pending)


def _joined(batches: Sequence[dict[str, Column]]) -> dict[str, Column]:
    if len(batches) == 1:
        return batches[0]
    return {name: _column([batch[name] for batch in batches]) for name in batches[0]}


def _column(parts: Sequence[Column]) -> Column:
    """The rows of all parts, which are of one kind."""
    words: list[str] = []
    starts: dict[int, int] = {}
    values = []
    for part in parts:
        start = starts.setdefault(id(part.words), len(words))
        if start == len(words):  # batches that share a dictionary share its words
            words += part.words
        values.append(part.values + start if part.kind == "text" else part.values)
    every = [np.ones(len(part.values), dtype=np.bool_) if part.known is None else part.known for part in parts]
    known = np.concatenate(every)
    return replace(parts[0], values=np.concatenate(values), known=None if known.all() else known, words=words)
