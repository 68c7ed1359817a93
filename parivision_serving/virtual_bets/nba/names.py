"""Names of invented players, and of the franchises."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("names.json")
"""First names, and the stems and endings of surnames, made up so that no real player has such a name."""
SPREAD = 7919
"""A prime that shares no factor with the number of names, so that one player after another gets another name."""
_THRICE = re.compile(r"(.)\1\1")

FRANCHISES = {
    "ATL": "Atlanta Hawks",
    "BOS": "Boston Celtics",
    "CLE": "Cleveland Cavaliers",
    "NOP": "New Orleans Pelicans",
    "CHI": "Chicago Bulls",
    "DAL": "Dallas Mavericks",
    "DEN": "Denver Nuggets",
    "GSW": "Golden State Warriors",
    "HOU": "Houston Rockets",
    "LAC": "LA Clippers",
    "LAL": "Los Angeles Lakers",
    "MIA": "Miami Heat",
    "MIL": "Milwaukee Bucks",
    "MIN": "Minnesota Timberwolves",
    "BKN": "Brooklyn Nets",
    "NYK": "New York Knicks",
    "ORL": "Orlando Magic",
    "IND": "Indiana Pacers",
    "PHI": "Philadelphia 76ers",
    "PHX": "Phoenix Suns",
    "POR": "Portland Trail Blazers",
    "SAC": "Sacramento Kings",
    "SAS": "San Antonio Spurs",
    "OKC": "Oklahoma City Thunder",
    "TOR": "Toronto Raptors",
    "UTA": "Utah Jazz",
    "MEM": "Memphis Grizzlies",
    "WAS": "Washington Wizards",
    "DET": "Detroit Pistons",
    "CHA": "Charlotte Hornets",
}
EAST = frozenset(
    ("ATL", "BKN", "BOS", "CHA", "CHI", "CLE", "DET", "IND", "MIA", "MIL", "NYK", "ORL", "PHI", "TOR", "WAS")
)
"""The other fifteen play in the West."""


@cache
def _parts() -> tuple[list[str], list[str], list[str]]:
    found = json.loads(FILE.read_text(encoding="utf-8"))
    return found["first"], found["stems"], found["endings"]


def invented(number: int) -> str:
    """Name of the player with this number; names begin to repeat after some 200,000."""
    first, stems, endings = _parts()
    at = number * SPREAD % (len(first) * len(stems) * len(endings))
    rest = at // len(first)
    surname = stems[rest % len(stems)] + endings[rest // len(stems)]
    return f"{first[at % len(first)]} {_THRICE.sub(lambda found: found[0][:2], surname)}"
