"""The form: what the shots before a day say about shooters, teams and the league, folded day by day.

Everything a day's shots may know is what happened on earlier days, so the order of games within a day doesn't matter
and the form served before a game is the one its shots were trained with. The kernel is `sums_before`; it runs over one
key or over all keys at once.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parivision_core.nba import court, league
from parivision_core.nba.league import League, cell_of, fold_league
from parivision_core.nba.players import Directory, Roster, decode, encode, fold_directory
from parivision_core.nba.teams import FRANCHISE
from parivision_core.records import FormRecord
from parivision_core.scoring import sigmoid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Columns = dict[str, NDArray[Any]]

FAMILIES = ("shooter", "shooter_zone", "team", "opponent", "opponent_zone")
PRIOR_VARIANCE = {
    "shooter": 60.0,
    "shooter_zone": 60.0,
    "team": 400.0,
    "opponent": 400.0,
    "opponent_zone": 400.0,
}
"""Strength of the empirical-Bayes prior at zero, in units of p(1-p) summed over shots (about four shots each)."""


def base_fingerprint() -> str:
    """Digest of the base table's definition and the priors; bundles and forms of different ones are never paired."""
    definition = {**league.DEFINITION, "families": PRIOR_VARIANCE}
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:16]


def team_codes(teams: NDArray[Any]) -> Ints:
    """Franchise id of each abbreviation, 0 where it is unknown or missing; a franchise that moved stays itself."""
    names = np.asarray(teams).tolist()  # a plain loop is faster than any sorting of text, for one row and for a season
    return np.array([FRANCHISE.get(name, 0) for name in names], dtype=np.int64)


def keys_of(shots: Columns, zone: NDArray[Any]) -> dict[str, Ints]:
    """Integer key of each shot in each family of form; 0 stands for unknown.

    `shots` holds `player_id` (n,), `team` (n,) and `opponent` (n,); `zone` is 1-7.
    """
    shooter = np.asarray(shots["player_id"], dtype=np.int64)
    team, opponent = team_codes(shots["team"]), team_codes(shots["opponent"])
    return {
        "shooter": shooter,
        "shooter_zone": np.where(shooter > 0, shooter * 8 + zone, 0),
        "team": team,
        "opponent": opponent,
        "opponent_zone": np.where(opponent > 0, opponent * 8 + zone, 0),
    }


def sums_before(key: Ints, day: Ints, values: Floats) -> Floats:
    """Kernel: for each shot the sum of `values` over the shots of the same key on earlier days.

    `key` and `day` are (n,), `values` (n, k); the result is (n, k). Rows may come in any order, but sums of floats are
    taken in the given order within a key and day.
    """
    if not len(key):
        return np.zeros_like(values)
    order = np.lexsort((day, key))
    k, d = key[order], day[order]
    running = np.vstack([np.zeros((1, values.shape[1])), np.cumsum(values[order], axis=0)])
    new_key = np.r_[True, k[1:] != k[:-1]]
    new_day = new_key | np.r_[True, d[1:] != d[:-1]]
    index = np.arange(len(k))
    key_start = np.maximum.accumulate(np.where(new_key, index, 0))
    day_start = np.maximum.accumulate(np.where(new_day, index, 0))
    result = np.empty_like(values)
    result[order] = running[day_start] - running[key_start]
    return result


@dataclass
class Form:
    """The running history state after some days; `fold` moves it forward, `look_up` reads one row of it."""

    schema: str = ""
    through: str | None = None
    """ISO date of the last day folded in."""
    shots: int = 0
    league: League = field(default_factory=League)
    keys: dict[str, Ints] = field(default_factory=lambda: {f: np.empty(0, dtype=np.int64) for f in FAMILIES})
    """Sorted keys of each family."""
    sums: dict[str, Floats] = field(default_factory=lambda: {f: np.empty((0, 3)) for f in FAMILIES})
    """Per key: residual makes, summed variance p(1-p), shots."""
    directory: Directory = field(default_factory=dict)
    """Name, team and day of the latest shot of each shooter."""

    @cached_property
    def base_logits(self) -> Floats:
        """Log odds of every cell of the base table, computed once per form."""
        return self.league.logits()

    @cached_property
    def roster(self) -> Roster:
        """The shooters for search by name, prepared once per form."""
        ids = np.fromiter(self.directory, dtype=np.int64, count=len(self.directory))
        return Roster(self.directory, self.sums_of("shooter", ids)[:, 2])

    def sums_of(self, family: str, key: Ints) -> Floats:
        """State of each key, (n, 3); zeros for a key never seen."""
        known = self.keys[family]
        if not len(known):
            return np.zeros((len(key), 3))
        at = np.minimum(np.searchsorted(known, key), len(known) - 1)
        return np.where((known[at] == key)[:, None] & (key > 0)[:, None], self.sums[family][at], 0.0)

    def record(self) -> FormRecord:
        """Serialise for the store, as arrays without pickle."""
        buffer = io.BytesIO()
        table = {
            "cells": self.league.cells,
            "zones": self.league.zones,
            "slow_zones": self.league.slow_zones,
        }
        arrays: Columns = {f"keys.{f}": self.keys[f] for f in FAMILIES} | {f"sums.{f}": self.sums[f] for f in FAMILIES}
        arrays["directory"] = np.frombuffer(encode(self.directory), dtype=np.uint8)
        head = json.dumps({"schema": self.schema, "through": self.through, "shots": self.shots})
        payload: dict[str, Any] = {"head": np.array(head), **table, **arrays}
        np.savez_compressed(buffer, **payload)
        digest = hashlib.sha256(head.encode())
        for array in [*table.values(), *arrays.values()]:
            digest.update(array.tobytes())
        return FormRecord(
            stamp=digest.hexdigest()[:16],
            schema=self.schema,
            base_fingerprint=base_fingerprint(),
            through=self.through,
            shots=self.shots,
            payload=buffer.getvalue(),
        )

    @classmethod
    def from_record(cls, record: FormRecord) -> Form:
        """Inverse of `record`; a record of the time before the directory gives a form that knows no names yet."""
        with np.load(io.BytesIO(record.payload), allow_pickle=False) as data:
            head = json.loads(str(data["head"]))
            return cls(
                schema=head["schema"],
                through=head["through"],
                shots=head["shots"],
                league=League(data["cells"], data["zones"], data["slow_zones"]),
                keys={f: data[f"keys.{f}"] for f in FAMILIES},
                sums={f: data[f"sums.{f}"] for f in FAMILIES},
                directory=decode(data["directory"].tobytes()) if "directory" in data else {},
            )


@dataclass(frozen=True)
class History:
    """What is known of each shot's context before its day: its place, base log odds (n,), state (n, 3) per family."""

    spots: court.Spots
    base_logit: Floats
    sums: dict[str, Floats]

    def strength(self, family: str) -> Floats:
        """Empirical-Bayes residual form as a shift in log odds, (n,), shrunk towards 0 for few shots.

        One Newton step of a logistic intercept with a normal prior: sum(made - p) / (sum(p (1 - p)) + prior).
        """
        state = self.sums[family]
        return state[:, 0] / (state[:, 1] + PRIOR_VARIANCE[family])


def look_up(form: Form, shots: Columns) -> History:
    """History of shots as of the form, whatever their date: what serving does, for one row or many."""
    spots = court.locate(shots["x"], shots["y"])
    base = form.base_logits[cell_of(spots.zone, spots.feet)]
    return History(spots, base, {f: form.sums_of(f, k) for f, k in keys_of(shots, spots.zone).items()})


def fold(form: Form, shots: Columns) -> tuple[History, Form]:
    """Fold shots that are all later than the form: the history of each, and the form after them.

    `shots` are columns (n,) in canonical order (date, then id): `game_date` (ISO text), `x`, `y`, `made`,
    `player_id`, `player_name`, `team`, `opponent`. Raises ValueError when a shot is not later than the form.
    """
    if not len(shots["made"]):
        nowhere = court.locate(np.empty(0), np.empty(0))
        return History(nowhere, np.empty(0), {f: np.empty((0, 3)) for f in FAMILIES}), form
    dates, day = np.unique(np.asarray(shots["game_date"], dtype=str), return_inverse=True)
    if form.through is not None and dates[0] <= form.through:
        raise ValueError(f"the form already holds {form.through}; shots of {dates[0]} can't be folded on top of it")
    made = np.asarray(shots["made"], dtype=np.float64)
    spots = court.locate(shots["x"], shots["y"])
    cell = cell_of(spots.zone, spots.feet)
    base, table = fold_league(form.league, cell, day, made, len(dates))
    p = sigmoid(base)
    values = np.column_stack([made - p, p * (1 - p), np.ones_like(p)])
    before, keys, sums = {}, {}, {}
    for family, key in keys_of(shots, spots.zone).items():
        earlier = form.sums_of(family, key) + sums_before(key, day, values)
        before[family] = np.where((key > 0)[:, None], earlier, 0.0)
        keys[family], sums[family] = _add(form.keys[family], form.sums[family], key, values)
    directory = fold_directory(form.directory, shots)
    after = Form(form.schema, str(dates[-1]), form.shots + len(made), table, keys, sums, directory)
    return History(spots, base, before), after


def _add(known: Ints, state: Floats, key: Ints, values: Floats) -> tuple[Ints, Floats]:
    """Add each row of `values` to the state of its key; keys stay sorted, 0 (unknown) is left out."""
    keys = np.union1d(known, key[key > 0])
    sums = np.zeros((len(keys), values.shape[1]))
    sums[np.searchsorted(keys, known)] = state
    rows = key > 0
    at = np.searchsorted(keys, key[rows])
    for column in range(values.shape[1]):
        sums[:, column] += np.bincount(at, weights=values[rows, column], minlength=len(keys))
    return keys, sums
