"""Franchises and the abbreviations they have used since 1996: official records name the shooter's team by id alone."""

from __future__ import annotations

ABBREVIATIONS: dict[int, tuple[str, ...]] = {
    1610612737: ("ATL",),
    1610612738: ("BOS",),
    1610612739: ("CLE",),
    1610612740: ("NOP", "NOH", "NOK"),
    1610612741: ("CHI",),
    1610612742: ("DAL",),
    1610612743: ("DEN",),
    1610612744: ("GSW",),
    1610612745: ("HOU",),
    1610612746: ("LAC",),
    1610612747: ("LAL",),
    1610612748: ("MIA",),
    1610612749: ("MIL",),
    1610612750: ("MIN",),
    1610612751: ("BKN", "NJN"),
    1610612752: ("NYK",),
    1610612753: ("ORL",),
    1610612754: ("IND",),
    1610612755: ("PHI",),
    1610612756: ("PHX", "PHO"),
    1610612757: ("POR",),
    1610612758: ("SAC",),
    1610612759: ("SAS",),
    1610612760: ("OKC", "SEA"),
    1610612761: ("TOR",),
    1610612762: ("UTA",),
    1610612763: ("MEM", "VAN"),
    1610612764: ("WAS",),
    1610612765: ("DET",),
    1610612766: ("CHA", "CHH"),
}
"""Franchise id -> abbreviations, today's first."""

FRANCHISE: dict[str, int] = {abbreviation: team for team, names in ABBREVIATIONS.items() for abbreviation in names}
"""Abbreviation, of any year -> franchise id."""
