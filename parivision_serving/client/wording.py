"""Formats an answer for people, whatever fields it has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

SHARES = {"probability", "league_average", "league_make_rate", "confidence"}
TRACE = {"champion_sha256", "feature_state_stamp"}
"""Digests, which only programs need."""


def as_text(answer: dict[str, Any]) -> str:
    """One line for each field of the answer."""
    lines = list(dict.fromkeys(_lines(answer)))  # some fields appear in several places
    width = max((len(name) for name, _ in lines), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)


def _lines(part: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in part.items():
        if isinstance(value, dict):
            yield from _lines(value)
        elif isinstance(value, list):
            for entry in value:
                yield name.replace("_", " "), _text(name, entry)
        elif name not in TRACE and value is not None:
            yield name.replace("_", " "), _text(name, value)


def _text(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(_text(key, part) for key, part in value.items())
    if isinstance(value, float):
        return f"{value:.1%}" if name in SHARES else f"{value:+.1%}" if name == "change" else f"{value:.4g}"
    return str(value)
