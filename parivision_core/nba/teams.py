"""Franchises and their abbreviations since 1996: official records name the shooter's team by its id alone."""

from __future__ import annotations

from parivision_core.sport import TeamCard

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
"""Franchise id -> abbreviations, the current one first."""

FRANCHISE: dict[str, int] = {abbreviation: team for team, names in ABBREVIATIONS.items() for abbreviation in names}
"""Abbreviation of any year -> franchise id."""

NAMES: dict[int, tuple[str, str]] = {
    1610612737: ("Atlanta", "Hawks"),
    1610612738: ("Boston", "Celtics"),
    1610612739: ("Cleveland", "Cavaliers"),
    1610612740: ("New Orleans", "Pelicans"),
    1610612741: ("Chicago", "Bulls"),
    1610612742: ("Dallas", "Mavericks"),
    1610612743: ("Denver", "Nuggets"),
    1610612744: ("Golden State", "Warriors"),
    1610612745: ("Houston", "Rockets"),
    1610612746: ("Los Angeles", "Clippers"),
    1610612747: ("Los Angeles", "Lakers"),
    1610612748: ("Miami", "Heat"),
    1610612749: ("Milwaukee", "Bucks"),
    1610612750: ("Minnesota", "Timberwolves"),
    1610612751: ("Brooklyn", "Nets"),
    1610612752: ("New York", "Knicks"),
    1610612753: ("Orlando", "Magic"),
    1610612754: ("Indiana", "Pacers"),
    1610612755: ("Philadelphia", "76ers"),
    1610612756: ("Phoenix", "Suns"),
    1610612757: ("Portland", "Trail Blazers"),
    1610612758: ("Sacramento", "Kings"),
    1610612759: ("San Antonio", "Spurs"),
    1610612760: ("Oklahoma City", "Thunder"),
    1610612761: ("Toronto", "Raptors"),
    1610612762: ("Utah", "Jazz"),
    1610612763: ("Memphis", "Grizzlies"),
    1610612764: ("Washington", "Wizards"),
    1610612765: ("Detroit", "Pistons"),
    1610612766: ("Charlotte", "Hornets"),
}
"""Franchise id -> current city and nickname."""

CARDS: tuple[TeamCard, ...] = tuple(
    TeamCard(
        team_id=team,
        abbreviation=current,
        former_abbreviations=tuple(former),
        city=NAMES[team][0],
        name=" ".join(NAMES[team]),
    )
    for team, (current, *former) in ABBREVIATIONS.items()
)
"""All teams, for people and programs to choose from."""
