"""Seasons, by which the warehouse is divided into parts."""

from __future__ import annotations

START, END = "10-13", "10-12"
"""First and last day of a season (the one that was played in the bubble ended on 11 October)."""


def part_of(date: str) -> str:
    """Year in which the season of an ISO date ends, the name of its part of the warehouse."""
    year = int(date[:4])
    return f"{year + 1 if date[5:] >= START else year:04d}"


def bounds(part: str) -> tuple[str, str]:
    """First and last ISO date of a season's part of the warehouse."""
    year = int(part)
    return f"{year - 1:04d}-{START}", f"{year:04d}-{END}"
