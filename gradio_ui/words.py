"""Formats what the page shows: numbers, percentages, comparisons, days and links."""

from __future__ import annotations

from datetime import UTC, date, datetime
from html import escape

NBSP = "\N{NO-BREAK SPACE}"
NOTHING = "\N{EN DASH}"


def percent(share: float) -> str:
    """A share between 0 and 1 with one decimal: 0.4321 is "43.2 %"."""
    return f"{100 * share:.1f}{NBSP}%"


def compared(probability: float, league: float) -> str:
    """A chance compared with the league's average from the same spot, in words.

    The difference is that of the two rounded percentages, so that it never contradicts what is shown beside it.
    """
    tenths = round(1000 * probability) - round(1000 * league)
    if tenths == 0:
        return "Just what the league makes from there."
    side = "above" if tenths > 0 else "below"
    size = f"{abs(tenths) / 10:.1f}".removesuffix(".0")
    unit = "percentage point" if size == "1" else "percentage points"
    return f"{size} {unit} {side} the league\N{RIGHT SINGLE QUOTATION MARK}s average from there."


def distance(feet: float) -> str:
    """Feet with one decimal."""
    return f"{feet:.1f}{NBSP}ft"


def day(iso: str) -> str:
    """An ISO date as a person writes it: "9 April 2023"."""
    found = date.fromisoformat(iso)
    return f"{found.day}{NBSP}{found:%B}{NBSP}{found.year}"


def moment(milliseconds: int) -> str:
    """Milliseconds since 1970 as day and time, in UTC."""
    found = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{day(found.date().isoformat())}, {found:%H:%M}{NBSP}UTC"


def link(address: str, text: str) -> str:
    """Text as a link that opens in a new tab; the text alone when the address isn't a web address."""
    if not address.startswith(("http://", "https://")):
        return escape(text)
    return f'<a href="{escape(address)}" target="_blank" rel="noopener">{escape(text)}</a>'


def through(iso: str | None) -> str:
    """The last day that a feature state covers."""
    return f"feature state through {day(iso)}" if iso else "a feature state without games yet"


def several(number: int, one: str, more: str) -> str:
    """A number with its noun: "1 batch", "2 batches"."""
    return f"{count(number)} {one if number == 1 else more}"


def count(number: int) -> str:
    """A number with commas between thousands."""
    return f"{number:,}"


def gain(value: float) -> str:
    """A difference of log loss, signed, in thousandths: 0.0123 is "+12.3"."""
    return f"{1000 * value:+.1f}".replace("-", "\N{MINUS SIGN}")
