"""What each incoming row is to the lake: a new shot, a revision or a repeat; and its `_id`, whatever order or file."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from parivision_core.arrays import Array, Bools, Ints

EVENT = "event_id"
NO_EVENT = -1
GAME = ("game_date", "game_id")
"""Within a game, an event id names one shot."""
STANDS = "stands"
"""Whether readers see a row of the lake. It is False for one that a person has corrected."""


def identify(
    new: pd.DataFrame,
    held: pd.DataFrame,
    identity: Sequence[str],
    match: Sequence[str],
    corrects: Mapping[int, int] | None = None,
) -> pd.DataFrame:
    """What each new row is, as columns indexed like `new`: `_id`, `held` (a position in it, or -1) and `stands`.

    | the row                                       | `_id`       | `held`              | `stands` |
    | --------------------------------------------- | ----------- | ------------------- | -------- |
    | is a shot that isn't known                    | its own     | -1                  | True     |
    | is a revision                                 | its own     | the row it replaces | True     |
    | is a repeat, and differs                      | of its shot | the row it repeats  | False    |
    | is a repeat, equal in every field             | None        | the row it repeats  | False    |
    | has the event id of another row of this batch | None        | -1                  | False    |

    `new` holds contract rows without exact repeats; `held` the lake's rows that could be the same shots: `_id`, the
    fields of the contract and `stands`. `corrects` maps labels of `new` to the positions of rows that a person corrects
    by them; those stand no longer, whether the new row is known or not.

    A row is the same shot as one that stands when both have the same event id, and the same identity or no other event
    of that id in their game; then it is a revision, if any field differs. It is the same shot, too, when identity and
    match fields are equal and not both have an event id; then the first record stands. A row that equals a record which
    a person has corrected is a repeat of it: a file that comes again doesn't undo a correction.

    Rows that share all identity fields are distinguished by an occurrence number, the smallest that is free. It is
    counted in the order of the match fields, then of all others, so the file's order never matters. A revision keeps
    the `_id` of what it replaces while its identity stays the same.
    """
    fields = list(new.columns)
    others = [field for field in fields if field not in (*identity, *match, EVENT)]
    rows = new.assign(_key=_keys(new, identity), _place=np.arange(len(new)))
    rows = rows.sort_values(["_key", *match, *others, EVENT], kind="stable")
    # Rows with the same event id are one shot, even if they differ.
    rows = rows[(rows[EVENT] == NO_EVENT) | ~rows.duplicated(["_key", EVENT])]
    target = np.full(len(rows), -1)
    if corrects:
        target = np.array([corrects.get(label, -1) for label in rows.index])
    standing = held[STANDS].to_numpy(dtype=bool, copy=True)
    standing[target[target >= 0]] = False
    pairs = _Pairs(rows, held, fields)
    revised = pairs.find(standing, target >= 0, match)
    repeats = ~revised & (pairs.of >= 0)
    replaced = np.where(repeats, -1, np.where(revised, pairs.of, target))
    standing[pairs.of[revised]] = False

    ids, names = np.full(len(rows), None, dtype=object), held["_id"].to_numpy()
    keeps = pairs.equal(replaced, ["_key"])
    ids[keeps] = names[replaced[keeps]]
    differs = repeats & ~pairs.equal(pairs.of, fields)
    ids[differs] = names[pairs.of[differs]]
    fresh = ~repeats & ~keeps
    if fresh.any():
        ids[fresh] = _free_ids(rows["_key"][fresh], itertools.chain(names[standing], ids[keeps]))
    place = rows["_place"].to_numpy()
    result: dict[str, Array] = {}
    for column, values, absent in (("_id", ids, None), ("held", pairs.of, -1), (STANDS, ~repeats, False)):
        result[column] = np.full(len(new), absent, dtype=values.dtype)
        result[column][place] = values
    return pd.DataFrame(result, index=new.index)


def _keys(rows: pd.DataFrame, identity: Sequence[str]) -> pd.Series:
    parts = [rows[field].astype(str) for field in identity]
    return parts[0].str.cat(parts[1:], sep=":") if parts[1:] else parts[0]


def _free_ids(keys: pd.Series, taken: Iterable[str]) -> Array:
    """An `_id` for each row of these keys (n,), with the smallest occurrence numbers that aren't taken."""
    occurrence = keys.groupby(keys).cumcount().to_numpy(copy=True)
    used: dict[str, set[int]] = defaultdict(set)
    for name in taken:
        key, _, number = name.rpartition(":")
        used[key].add(int(number))
    shared = np.flatnonzero(keys.isin(used.keys()))
    for key, at in keys.iloc[shared].groupby(keys.iloc[shared]).indices.items():
        free = (number for number in itertools.count() if number not in used[str(key)])
        occurrence[shared[at]] = list(itertools.islice(free, len(at)))
    ids: Array = (keys + ":" + occurrence.astype(str)).to_numpy()
    return ids


class _Pairs:
    """Incoming rows, paired one to one with rows of the lake: `of` (n,) is the position of the latter, or -1."""

    def __init__(self, rows: pd.DataFrame, held: pd.DataFrame, fields: list[str]) -> None:
        self.of: Ints = np.full(len(rows), -1)
        self._rows, self._held, self._fields = rows, held, fields
        if len(held):
            self._rows = rows.assign(_at=np.arange(len(rows)))
            keys = [name.rpartition(":")[0] for name in held["_id"]]
            self._held = held.assign(_key=keys, _at=np.arange(len(held)))

    def find(self, standing: Bools, corrections: Bools, match: Sequence[str]) -> Bools:
        """Pair all rows with those standing (m,) and those that persons have corrected; marks the revisions (n,).

        A person's `corrections` (n,) aren't repeats of anything but their equals: what they say of a shot holds.
        """
        rows, held = self._rows, self._held
        if held.empty:
            return np.zeros(len(rows), dtype=bool)
        has, held_has = ((frame[EVENT] != NO_EVENT).to_numpy() for frame in (rows, held))
        corrected = ~held[STANDS].to_numpy(dtype=bool)
        if corrected.any():
            again = ~corrections & rows["_key"].isin(held["_key"][corrected]).to_numpy()
            self._pair(again, standing, self._fields)
            self._pair(again, corrected, self._fields)
        if has.any() and held_has.any():
            self._pair(has, standing & held_has, ["_key", EVENT])
            self._pair(_once(rows, has), _once(held, standing & held_has), [*GAME, EVENT])
        revised = (self.of >= 0) & ~self.equal(self.of, self._fields)
        self._pair(corrections, standing, self._fields)
        for those in (standing, corrected):
            self._pair(~has & ~corrections, those, ["_key", *match])
            self._pair(has & ~corrections, those & ~held_has, ["_key", *match])
        return revised

    def equal(self, to: Ints, fields: Sequence[str]) -> Bools:
        """Which rows (n,) equal the held one at the position `to` (n,), where there is one, in all these columns."""
        same = to >= 0
        if not same.any():
            return same
        here, there = self._rows[same], self._held.iloc[to[same]]
        equal = [here[field].to_numpy() == there[field].to_numpy() for field in fields]
        same[same] = np.logical_and.reduce(equal)
        return same

    def _pair(self, left: Bools, right: Bools, on: list[str]) -> None:
        """Pair rows that are equal in the columns `on`, as many as both sides have."""
        left, right = left & (self.of < 0), right.copy()
        right[self.of[self.of >= 0]] = False
        if not (left.any() and right.any()):
            return
        incoming, present = self._rows.loc[left, [*on, "_at"]], self._held.loc[right, [*on, "_at"]]
        if "_key" in on:  # most batches share few keys or none, and merging takes longer than looking
            incoming = incoming[incoming["_key"].isin(present["_key"])]
            if incoming.empty:
                return
        incoming = incoming.assign(_n=incoming.groupby(on).cumcount())
        present = present.assign(_n=present.groupby(on).cumcount())
        both = incoming.merge(present, on=[*on, "_n"], suffixes=("", "_held"))
        self.of[both["_at"].to_numpy()] = both["_at_held"].to_numpy()


def _once(frame: pd.DataFrame, among: Bools) -> Bools:
    """Marks (n,) of the rows `among` (n,) those whose event id no other of them has in its game."""
    once = among.copy()
    once[among] = ~frame[among].duplicated([*GAME, EVENT], keep=False).to_numpy()
    return once
