"""Which incoming rows are new, and which `_id` each new one gets, independent of the order and the file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

EVENT = "event_id"
NO_EVENT = -1


def identify(new: pd.DataFrame, existing: pd.DataFrame, identity: Sequence[str], match: Sequence[str]) -> pd.Series:
    """The `_id` of each new row; None for one that the lake already holds.

    `new` holds contract rows without exact repeats; `existing` the lake's rows that could equal them: `_id`, `event_id`
    and the `match` columns. Rows that share all identity fields are distinguished by an occurrence number. An incoming
    row is in the lake already when both have the same event id, or when the match fields are equal and not both have an
    event id. A record that differs from the one in the lake doesn't replace it. Occurrences are counted in the order of
    the match fields, then of all others, so the file's order never matters.
    """
    others = [column for column in new.columns if column not in (*identity, *match, EVENT)]
    rows = new.assign(_key=_keys(new, identity), _at=np.arange(len(new)))
    rows = rows.sort_values(["_key", *match, *others, EVENT], kind="stable")
    # Rows with the same event id are one shot, even if they differ.
    rows = rows[(rows[EVENT] == NO_EVENT) | ~rows.duplicated(["_key", EVENT])]
    ids = pd.Series([None] * len(new), index=new.index, dtype=object)
    name = existing["_id"].str.extract(r"^(?P<key>.*):(?P<occurrence>\d+)$")
    held = existing.assign(_key=name["key"], _occurrence=name["occurrence"].astype(int))
    held = held[held["_key"].isin(set(rows["_key"]))]
    known = _held_already(rows, held, list(match)) if len(held) else np.zeros(len(rows), dtype=bool)

    fresh = rows[~known]
    taken = held.groupby("_key")["_occurrence"].max()
    first = fresh["_key"].map(taken).fillna(-1).astype(int) + 1
    occurrence = first + fresh.groupby("_key").cumcount()
    ids.iloc[fresh["_at"].to_numpy()] = (fresh["_key"] + ":" + occurrence.astype(str)).to_numpy()
    return ids


def _keys(rows: pd.DataFrame, identity: Sequence[str]) -> pd.Series:
    parts = [rows[field].astype(str) for field in identity]
    return parts[0].str.cat(parts[1:], sep=":") if parts[1:] else parts[0]


def _held_already(rows: pd.DataFrame, held: pd.DataFrame, match: list[str]) -> np.ndarray:
    """Mark (n,) the incoming rows that can be paired one to one with rows of the lake."""
    known = np.zeros(len(rows), dtype=bool)
    used = np.zeros(len(held), dtype=bool)
    rows, held = rows.assign(_at=np.arange(len(rows))), held.assign(_at=np.arange(len(held)))

    def pair(left: np.ndarray, right: np.ndarray, on: list[str]) -> None:
        """Pair rows that are equal in the columns `on`, as many as both sides have."""
        incoming, present = rows[left & ~known], held[right & ~used]
        incoming = incoming.assign(_n=incoming.groupby(on).cumcount())
        present = present.assign(_n=present.groupby(on).cumcount())
        both = incoming[["_key", *on[1:], "_n", "_at"]].merge(present, on=[*on, "_n"], suffixes=("", "_held"))
        known[both["_at"].to_numpy()] = True
        used[both["_at_held"].to_numpy()] = True

    row_has, lake_has = (rows[EVENT] != NO_EVENT).to_numpy(), (held[EVENT] != NO_EVENT).to_numpy()
    pair(row_has, lake_has, ["_key", EVENT])
    pair(~row_has, np.ones(len(held), dtype=bool), ["_key", *match])
    pair(row_has, ~lake_has, ["_key", *match])
    return known
