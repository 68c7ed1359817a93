"""How a batch's rows relate to stored ones: what they are compared with, and the links that a commit carries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from parivision_assets.steps.feed.identity import GAME, STANDS
from parivision_core.records import Links, Manifest, withdrawn
from parivision_core.sport import Sport
from parivision_core.store.base import Store
from parivision_core.store.links import ADDRESS as ADDRESS_COLUMNS

ADDRESS = list(ADDRESS_COLUMNS)
"""Columns that name a stored row; pandas takes a tuple for one name."""
Place = tuple[str, int]
"""A row's batch id and row number."""


def at_places(
    places: Collection[Place],
    manifests: Sequence[Manifest],
    store: Store,
    columns: Sequence[str] = (),
    days: Collection[str] | None = None,
) -> pd.DataFrame:
    """Rows that once stood, by their places, each once: their day, their place and these columns."""
    batches, columns = {batch for batch, _ in places}, list(dict.fromkeys(("game_date", *ADDRESS, *columns)))
    first, last = (min(days, default=""), max(days, default="")) if days is not None else (None, None)
    found = [pd.DataFrame(columns=columns)]
    for manifest in manifests if places else ():
        # Only a withdrawal stores rows of other batches.
        if (manifest.batch_id in batches or manifest.withdraws) and manifest.overlaps(first, last):
            found.append(among(places, store.stored(manifest.batch_id, days, columns)[0]))  # noqa: PERF401
    return pd.concat([rows for rows in found if len(rows)] or found[:1]).drop_duplicates(ADDRESS)


def among(places: Collection[Place], table: pa.Table) -> pd.DataFrame:
    """The rows of a table that are at these places."""
    if not table.num_rows:
        return table.to_pandas()
    return table.filter(pd.MultiIndex.from_frame(table.select(ADDRESS).to_pandas()).isin(places)).to_pandas()


def places_of(rows: pd.DataFrame) -> list[Place]:
    """The place of each row."""
    return list(zip(rows["batch_id"], rows["row"], strict=True))


def rows_by_batch(rows: pd.DataFrame) -> dict[str, list[int]]:
    """Row numbers of each batch."""
    return {str(batch): numbers.tolist() for batch, numbers in rows.groupby("batch_id")["row"]}


def standing(
    columns: list[str], days: Collection[str], store: Store, games: Collection[int] | None = None
) -> pd.DataFrame:
    """What readers see of some days, or of some games on them; it has these columns even when that is nothing."""
    found = store.lake(columns, days=days)
    if not found.num_rows:
        return pd.DataFrame(columns=columns)
    if games is not None:
        found = found.filter(pc.is_in(found["game_id"], pa.array(games, pa.int64())))
    return found.select(columns).to_pandas()


def held_rows(
    shots: pd.DataFrame, corrects: Collection[Place], manifests: Sequence[Manifest], sport: Sport, store: Store
) -> pd.DataFrame:
    """The lake's rows that new shots are compared with: `_id`, contract, address and `stands`.

    They are those that readers see, and the records that persons have corrected (see `identify`), of the games of the
    new shots and of those that they correct: the same shot is always of the same game.
    """
    games = pd.concat([shots[[*GAME]], at_places(set(corrects), manifests, store, GAME)[[*GAME]]])
    columns, days = ["_id", *sport.fields, *ADDRESS], set(games["game_date"])
    rows = standing(columns, days, store, games["game_id"].unique()).assign(**{STANDS: True})
    gone = withdrawn(manifests)
    corrected = {place for manifest in manifests if manifest.batch_id not in gone for place in manifest.corrects}
    if not corrected:
        return rows
    before = at_places(corrected.difference(places_of(rows)), manifests, store, columns, days)[columns]
    return pd.concat([rows, before.assign(**{STANDS: False})], ignore_index=True) if len(before) else rows


def positions(held: pd.DataFrame, corrects: Sequence[Place], rows: Collection[int]) -> dict[int, int]:
    """Number of each of a batch's `rows` that corrects a standing row of `held` -> the position of that row.

    Row i + 1 of the batch corrects the row at place i.
    """
    if not corrects:
        return {}
    stands = held[STANDS].tolist()
    at = {place: at for at, place in enumerate(places_of(held)) if stands[at]}
    found = {at[corrects[row - 1]]: row for row in rows if corrects[row - 1] in at}
    return {row: position for position, row in found.items()}


@dataclass(frozen=True)
class Linked:
    """What a batch, whose rows were identified, does to stored rows."""

    links: Links
    hidden: pd.DataFrame
    """Rows of earlier commits that no longer stand."""
    revised: int
    """Rows that took the place of another."""


def link(found: pd.DataFrame, held: pd.DataFrame, corrects: Mapping[int, int], batch_id: str) -> Linked:
    """The links of a batch; `found` is what `identify` said of its rows, given `held` and `corrects`."""
    stands, known = found[STANDS], found["held"] >= 0
    corrects = {row: at for row, at in corrects.items() if stands[row] or known[row]}
    hidden = held.iloc[sorted({*found["held"][stands & known], *corrects.values()})]
    kept = found.index[~stands & found["_id"].notna()].tolist()
    equal = found["held"][~stands & found["_id"].isna() & known]
    there = held.iloc[equal].assign(here=equal.index)
    repeats = {str(batch): list(zip(r["row"], r["here"], strict=True)) for batch, r in there.groupby("batch_id")}
    links = Links(hides=rows_by_batch(hidden) | ({batch_id: kept} if kept else {}), repeats=repeats)
    return Linked(links, hidden, int((stands & (known | found.index.isin(list(corrects)))).sum()))
