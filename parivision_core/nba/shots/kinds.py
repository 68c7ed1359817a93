"""Coarse kinds of shot. The fine official labels may depend on the outcome (bank shots go in too often): they merge."""

from __future__ import annotations

from collections.abc import Iterable

KINDS = ("dunk", "layup", "tip", "hook", "float", "jump", "pullup", "stepback", "fadeaway", "turnaround")
"""The kinds in the order of their feature columns; a shot of unknown kind has the empty string."""

# The first word found decides: "Tip Dunk Shot" is a tip, "Step Back Bank Jump Shot" a step-back.
_WORDS = (
    ("tip", "tip"),
    ("dunk", "dunk"),
    ("hook", "hook"),
    ("float", "float"),
    ("layup", "layup"),
    ("finger roll", "layup"),
    ("step back", "stepback"),
    ("fadeaway", "fadeaway"),
    ("turnaround", "turnaround"),
    ("pull", "pullup"),
    ("jump", "jump"),
    ("bank", "jump"),
)


def kind_of(action: str) -> str:
    """Coarse kind of one official action label; the empty string when it names none ("No Shot")."""
    label = action.lower()
    return next((kind for word, kind in _WORDS if word in label), "")


def kinds_of(actions: Iterable[str]) -> list[str]:
    """Coarse kind of each label, looking each distinct label up once."""
    labels = list(actions)
    known = {label: kind_of(label) for label in set(labels)}
    return [known[label] for label in labels]
