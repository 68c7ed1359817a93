"""The feature state: what the shots before a day say about shooters, teams, arenas and the league, folded day by day.

To fold is, day after day, to look the day's shots up and then to add them; to serve is only to look up. So the features
of a shot depend on earlier days, and of its own day on nothing but its game so far: the order of a day's games doesn't
matter.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from parivision_core.arrays import Array, Columns, Floats, Ints
from parivision_core.nba import court
from parivision_core.nba.shots.history import league
from parivision_core.nba.shots.history.families import FAMILIES, KIND, keys_of, team_codes
from parivision_core.nba.shots.history.in_game import NAMES as IN_GAME
from parivision_core.nba.shots.history.in_game import in_game_features
from parivision_core.nba.shots.history.league import LeagueTable, cell_of
from parivision_core.nba.shots.history.lookup import Lookup
from parivision_core.nba.shots.history.players import Directory, Roster, decode, encode, fold_directory
from parivision_core.records import FeatureStateRecord
from parivision_core.scoring import sigmoid
from parivision_core.sport import Player

COMPRESSION = 1
"""Level of zlib. A feature state is written after every batch: a tenth less size isn't worth ten times the CPU."""


def base_fingerprint() -> str:
    """Digest of the definitions of base table and families; bundle and feature state must agree in it to be paired."""
    definition = {
        **league.DEFINITION,
        "families": {name: [f.prior, f.half_life, f.of_kind] for name, f in FAMILIES.items()},
    }
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:16]


@dataclass
class Sums:
    """The sums of one family by key: residual makes, variance p(1-p), shots."""

    keys: Ints = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    """Sorted; the first is 0, which stands for all unknown keys and stays empty."""
    values: Floats = field(default_factory=lambda: np.zeros((1, 3)))

    def rows_of(self, key: Ints) -> Ints:
        """Row of each key, (n,); that of key 0 for one never seen."""
        at = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
        return np.where(self.keys[at] == key, at, 0)

    def holding(self, key: Ints) -> Sums:
        """A copy with a row for each of the keys."""
        keys = np.union1d(self.keys, key)
        values = np.zeros((len(keys), 3))
        values[np.searchsorted(keys, self.keys)] = self.values
        return Sums(keys, values)

    def add(self, rows: Ints, values: Floats, decay: float) -> None:
        """Decay the past by a day, then add a day's values (n, 3) to their rows."""
        if decay < 1:
            self.values *= decay
        for column in range(3):
            self.values[:, column] += np.bincount(rows, weights=values[:, column], minlength=len(self.keys))
        self.values[0] = 0.0


@dataclass
class FeatureState:
    """The state after some days; `fold` moves it forward, `look_up` reads it."""

    schema: str = ""
    through: str | None = None
    """ISO date of the last day folded in."""
    shots: int = 0
    league: LeagueTable = field(default_factory=LeagueTable)
    sums: dict[str, Sums] = field(default_factory=lambda: {name: Sums() for name in FAMILIES})
    played: dict[int, int] = field(default_factory=dict)
    """Day of each team's latest game, in days since 1970."""
    directory: Directory = field(default_factory=dict)
    """Name, team and date of each shooter's latest shot."""

    @cached_property
    def base_logits(self) -> Floats:
        """Log odds of every cell of the base table, computed once."""
        return self.league.logits()

    @cached_property
    def lookup(self) -> Lookup:
        """Where single shots are looked up, laid out once."""
        shooters = self.sums["shooter"]
        strengths = {name: (self.sums[name].keys, values) for name, values in self.strengths.items()}
        return Lookup.of(self.base_logits, strengths, (shooters.keys, shooters.values[:, 2]))

    @cached_property
    def strengths(self) -> dict[str, Floats]:
        """Strength of each key of each family, (keys,), computed once."""
        return {name: strength(self.sums[name].values, name) for name in FAMILIES}

    @cached_property
    def roster(self) -> Roster:
        """The shooters for search by name, prepared once."""
        ids = np.fromiter(self.directory, dtype=np.int64, count=len(self.directory))
        shooters = self.sums["shooter"]
        return Roster(self.directory, shooters.values[shooters.rows_of(ids), 2])

    def warm_up(self) -> None:
        """Compute what single shots and the search by name need, so that no request waits for it."""
        _ = self.lookup, self.roster

    def find_players(self, search: str, limit: int) -> list[Player]:
        """Shooters whose names match a search; see `Roster.find`."""
        return self.roster.find(search, limit)

    def record(self) -> FeatureStateRecord:
        """Serialise for the store, as arrays without pickle."""
        arrays: Columns = {
            "cells": self.league.cells,
            "zones": self.league.zones,
            "slow_zones": self.league.slow_zones,
            "played": np.array(sorted(self.played.items()), dtype=np.int64).reshape(-1, 2),
            "directory": np.frombuffer(encode(self.directory), dtype=np.uint8),
        }
        for name, sums in self.sums.items():
            arrays |= {f"keys.{name}": sums.keys, f"sums.{name}": sums.values}
        head = json.dumps({"schema": self.schema, "through": self.through, "shots": self.shots})
        digest = hashlib.sha256(head.encode())
        for array in arrays.values():
            digest.update(array.tobytes())
        buffer = io.BytesIO()
        payload: dict[str, Any] = {"head": np.array(head), **arrays}
        np.savez(buffer, **payload)
        return FeatureStateRecord(
            stamp=digest.hexdigest()[:16],
            schema=self.schema,
            base_fingerprint=base_fingerprint(),
            through=self.through,
            shots=self.shots,
            payload=zlib.compress(buffer.getvalue(), COMPRESSION),
        )

    @classmethod
    def from_record(cls, record: FeatureStateRecord) -> FeatureState:
        """Inverse of `record`."""
        with np.load(io.BytesIO(zlib.decompress(record.payload)), allow_pickle=False) as data:
            head = json.loads(str(data["head"]))
            return cls(
                schema=head["schema"],
                through=head["through"],
                shots=head["shots"],
                league=LeagueTable(data["cells"], data["zones"], data["slow_zones"]),
                sums={name: Sums(data[f"keys.{name}"], data[f"sums.{name}"]) for name in FAMILIES},
                played=dict(data["played"].tolist()),
                directory=decode(data["directory"].tobytes()),
            )


@dataclass(frozen=True)
class History:
    """What is known before each shot: spot, base log odds (n,), sums (n, 3) of each family, in-game features."""

    spots: court.Spots
    base_logit: Floats
    sums: dict[str, Floats]
    in_game: dict[str, Floats]
    """In-game features (n,); zeros where the game isn't known."""
    rest_days: Floats
    """Days since the team's last game, 0 where they aren't known."""
    strengths: dict[str, Floats] = field(default_factory=dict)
    """Strength (n,) of each family that was computed before."""

    @classmethod
    def joined(cls, days: Sequence[History]) -> History:
        """The histories of several days as one, in their order."""
        return cls(
            spots=court.joined([day.spots for day in days]),
            base_logit=np.concatenate([day.base_logit for day in days]),
            sums={name: np.concatenate([day.sums[name] for day in days]) for name in FAMILIES},
            in_game={name: np.concatenate([day.in_game[name] for day in days]) for name in IN_GAME},
            rest_days=np.concatenate([day.rest_days for day in days]),
        )

    def part(self, rows: slice) -> History:
        """The history of some of the shots."""
        return History(
            self.spots.part(rows),
            self.base_logit[rows],
            {name: sums[rows] for name, sums in self.sums.items()},
            {name: column[rows] for name, column in self.in_game.items()},
            self.rest_days[rows],
            {name: column[rows] for name, column in self.strengths.items()},
        )

    def strength(self, family: str) -> Floats:
        """Empirical-Bayes residual as a shift in log odds, (n,), shrunk towards 0 for few shots.

        One Newton step of a logistic intercept with a normal prior: sum(made - p) / (sum(p (1 - p)) + prior).
        """
        return self.strengths[family] if family in self.strengths else strength(self.sums[family], family)


def strength(sums: Floats, family: str) -> Floats:
    """See `History.strength`; `sums` are (n, 3)."""
    return sums[:, 0] / (sums[:, 1] + FAMILIES[family].prior)


def look_up(feature_state: FeatureState, shots: Columns) -> History:
    """History of shots as of the feature state, whatever their date: what serving does, for one row or many.

    `shots` are columns (n,): `x`, `y` and those that `keys_of` names, with `rest_days` where it is known. With
    `game_id`, `made`, `period` and `seconds_remaining` among them, the earlier shots of the same games are the game so
    far; without `made` the in-game features are 0.
    """
    spots = court.locate(shots["x"], shots["y"])
    rows = {name: feature_state.sums[name].rows_of(key) for name, key in keys_of(shots, spots).items()}
    return _history(feature_state, feature_state.base_logits, shots, spots, rows)


def fold(feature_state: FeatureState, shots: Columns) -> tuple[History, FeatureState]:
    """Fold shots that are all later than the feature state: the history of each, and the feature state after them.

    `shots` are columns (n,) in canonical order (date, then id): `game_date` (ISO text), `game_id`, `x`, `y`, `made`,
    `period`, `seconds_remaining`, `home`, `kind`, `player_id`, `player_name`, `team`, `opponent`. Raises ValueError
    when a shot isn't later than the feature state, or the days aren't in order.
    """
    dates = np.asarray(shots["game_date"], dtype=str)
    if (dates[1:] < dates[:-1]).any():
        raise ValueError("the shots are not in the order of their days")
    if len(dates) and feature_state.through is not None and dates[0] <= feature_state.through:
        raise ValueError(
            f"the feature state already holds {feature_state.through}; shots of {dates[0]} can't be folded on top of it"
        )
    shots = shots | {"arena": arena_of(shots)}
    if not len(dates):
        return look_up(feature_state, shots), feature_state
    spots = court.locate(shots["x"], shots["y"])
    keys = keys_of(shots, spots)
    state = FeatureState(
        feature_state.schema,
        str(dates[-1]),
        feature_state.shots + len(dates),
        feature_state.league,
        {name: feature_state.sums[name].holding(key) for name, key in keys.items()},
        dict(feature_state.played),
        fold_directory(feature_state.directory, shots),
    )
    rows = {name: state.sums[name].rows_of(key) for name, key in keys.items()}
    made = np.asarray(shots["made"], dtype=np.float64)
    starts = np.flatnonzero(np.r_[True, dates[1:] != dates[:-1]])
    days = []
    for start, stop in itertools.pairwise([*starts.tolist(), len(dates)]):
        day = slice(start, stop)
        today = {name: np.asarray(column)[day] for name, column in shots.items()}
        team = team_codes(today["team"])
        today["rest_days"] = _rest(state.played, team, dates[start])
        at = {name: row[day] for name, row in rows.items()}
        history = _history(state, state.league.logits(), today, spots.part(day), at)
        _add(state, history, at, made[day])
        days.append(history)
    return History.joined(days), state


def arena_of(shots: Columns) -> Array:
    """Home team of each shot's game, (n,), whose scorers record its spots; empty where unknown."""
    home = np.asarray(shots["home"])
    return np.where(home == 1, shots["team"], np.where(home == 0, shots["opponent"], ""))


def _history(
    feature_state: FeatureState, base_logits: Floats, shots: Columns, spots: court.Spots, rows: dict[str, Ints]
) -> History:
    base = base_logits[cell_of(spots.zone, spots.feet)]
    so_far = game_so_far(shots, spots, base) if "made" in shots else nothing_so_far(len(base))
    sums = {name: feature_state.sums[name].values[row] for name, row in rows.items()}
    return History(spots, base, sums, so_far, np.asarray(shots.get("rest_days", np.zeros(len(base))), dtype=np.float64))


def game_so_far(shots: Columns, spots: court.Spots, base_logit: Floats) -> dict[str, Floats]:
    """What the earlier shots of its game, which are among the shots, say about each; see `in_game_features`."""
    game = np.unique(shots["game_id"], return_inverse=True)[1]
    known = {"game": game, "team": team_codes(shots["team"]), "points": spots.points}
    return in_game_features(shots | known, np.asarray(shots["made"], dtype=np.float64) - sigmoid(base_logit))


def nothing_so_far(rows: int) -> dict[str, Floats]:
    """The same for shots of whose games nothing is known."""
    return {name: np.zeros(rows) for name in IN_GAME}


def _add(state: FeatureState, history: History, rows: dict[str, Ints], made: Floats) -> None:
    """Add a day's shots to the state that their history was looked up in."""
    for_all = _residuals(made, history.base_logit)
    of_kind = _residuals(made, history.base_logit + history.strength(KIND))
    for name, family in FAMILIES.items():
        state.sums[name].add(rows[name], of_kind if family.of_kind else for_all, family.decay)
    state.league = state.league.after_day(cell_of(history.spots.zone, history.spots.feet), made)


def _residuals(made: Floats, log_odds: Floats) -> Floats:
    """Residual, variance and count of each shot, (n, 3)."""
    p = sigmoid(log_odds)
    return np.column_stack([made - p, p * (1 - p), np.ones_like(p)])


def _rest(played: dict[int, int], team: Ints, date: str) -> Floats:
    """Days since each shot's team last played, (n,), 0 where unknown; then records in `played` that it plays today."""
    today = int(np.datetime64(date).astype(np.int64))
    teams, row = np.unique(team, return_inverse=True)
    rest = np.array([today - played[t] if t in played else 0 for t in teams.tolist()], dtype=np.float64)
    played.update({t: today for t in teams.tolist() if t})
    return rest[row]
