"""Breaks documents in the ways that the scenario `bad_batches` describes."""

from __future__ import annotations

import numpy as np

from parivision_serving.virtual_bets.source import Document

WRONG: tuple[Document, ...] = (
    {"Player ID": ""},
    {"Minutes Remaining": "13", "Seconds Remaining": "75"},
    {"X Location": "9999"},
    {"Shot Distance": "far"},
    {"Y Location": "NaN"},
    {"Game Date": "20231399"},
)
"""What broken documents have in place of the true values: no player, an impossible clock, a place off the court, text
for a number, no number, an impossible date."""
BROKEN = 2 * len(WRONG)
"""Broken documents a batch."""


def broken(documents: list[Document], rng: np.random.Generator) -> list[Document]:
    """The documents with BROKEN of them broken, or as many as there are."""
    result = list(documents)
    for i, row in enumerate(np.argsort(rng.random(len(documents)))[:BROKEN].tolist()):
        result[row] = documents[row] | WRONG[i % len(WRONG)]
    return result


def cut(documents: list[Document]) -> list[Document]:
    """The documents without the last third."""
    return documents[: -(len(documents) // 3) or None]
