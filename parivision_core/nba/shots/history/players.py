"""The shooters' names: the directory that the fold keeps beside the sums, and the search by name in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np

from parivision_core.arrays import Array
from parivision_core.nba.teams import ABBREVIATIONS, FRANCHISE
from parivision_core.sport import Player

_DOTLESS = "\N{LATIN SMALL LETTER DOTLESS I}"
_LETTERS = str.maketrans({"đ": "d", "ð": "d", _DOTLESS: "i", "ł": "l", "ø": "o", "þ": "th", "æ": "ae", "œ": "oe"})
"""Letters that have no accent to remove -> how they are typed on a keyboard without them."""
_INNER = re.compile("['`.\N{RIGHT SINGLE QUOTATION MARK}]")
"""Marks that are often left out when a name is typed: D.J. is dj, O'Neal is oneal."""
_WORD = re.compile(r"[^\W_]+")


class DirectoryEntry(msgspec.Struct, frozen=True, array_like=True):
    """What a shooter's latest shot says about the shooter."""

    name: str
    team: str
    """Abbreviation as the shot has it, which may be a former one."""
    last_date: str
    """ISO date of the shot."""


Directory = Mapping[int, DirectoryEntry]
"""Player id -> entry, in the order of ids, for each shooter whose name is known."""


def fold_directory(known: Directory, shots: Mapping[str, Array]) -> Directory:
    """The directory after shots, columns (n,) in the order of time: `player_id`, `player_name`, `team`, `game_date`.

    A shot without player or name changes nothing.
    """
    ids = np.asarray(shots["player_id"], dtype=np.int64)
    backwards = np.flatnonzero((ids > 0) & (np.asarray(shots["player_name"]) != ""))[::-1]
    found, first = np.unique(ids[backwards], return_index=True)
    latest = [np.asarray(shots[name])[backwards[first]].tolist() for name in ("player_name", "team", "game_date")]
    return dict(sorted({**known, **dict(zip(found.tolist(), map(DirectoryEntry, *latest), strict=True))}.items()))


def encode(directory: Directory) -> bytes:
    """A directory as JSON: names differ too much in length for an array of text."""
    return msgspec.json.encode(directory)


def decode(data: bytes) -> Directory:
    """Inverse of `encode`."""
    return msgspec.json.decode(data, type=dict[int, DirectoryEntry])


class Roster:
    """Players to search by name; the names are split into words once, so that a search only compares."""

    def __init__(self, directory: Directory, shots: Iterable[float]) -> None:
        """Take a directory and how many shots each of its players has, in its order."""
        players = [
            Player(
                player_id=player_id, name=entry.name, team=_current(entry.team), shots=int(n), last_date=entry.last_date
            )
            for (player_id, entry), n in zip(directory.items(), shots, strict=True)
        ]
        self._players = sorted(players, key=lambda player: (-player.shots, player.player_id))
        self._names = ["".join(f" {word}" for word in words_of(player.name)) for player in self._players]

    def find(self, search: str, limit: int) -> list[Player]:
        """Players in whose name every word of the search begins a word, then those in whose name each occurs anywhere.

        Among equals those with more shots come first; an empty search finds all players.
        """
        words = words_of(search)
        anywhere = self._holding(words, range(len(self._names)))
        found = self._holding([f" {word}" for word in words], anywhere)
        if len(found) < limit:
            found = list(dict.fromkeys([*found, *anywhere]))
        return [self._players[row] for row in found[:limit]]

    def _holding(self, parts: list[str], rows: Sequence[int]) -> Sequence[int]:
        """Those of the rows whose name holds every part."""
        names = self._names
        for part in parts:
            rows = [row for row in rows if part in names[row]]
        return rows


def words_of(name: str) -> list[str]:
    """The different words of a name in lower case without accents: "Luka Dončić" is luka, doncic."""
    letters = unicodedata.normalize("NFKD", name.casefold().translate(_LETTERS))
    bare = _INNER.sub("", "".join(letter for letter in letters if not unicodedata.combining(letter)))
    return list(dict.fromkeys(_WORD.findall(bare)))


def _current(team: str) -> str | None:
    """The franchise's current abbreviation, the one that a request takes."""
    franchise = FRANCHISE.get(team)
    return ABBREVIATIONS[franchise][0] if franchise else None
