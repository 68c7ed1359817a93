"""What readers would see on some days if only some of the committed batches had come, in the order of their commit."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from parivision_assets.steps.feed.identity import STANDS, identify
from parivision_assets.steps.feed.linking import ADDRESS, Place, places_of, positions
from parivision_core.records import Links, Manifest
from parivision_core.sport import Sport
from parivision_core.store.base import Store

SOURCE = "source"
"""Column of a row's position in the table of all stored rows."""


def stored_rows(
    days: Collection[str], manifests: Sequence[Manifest], store: Store
) -> tuple[pa.Table, dict[str, Links]]:
    """All rows of these days that any batch stored, whether they stand or not, and the links of the batches."""
    tables: list[pa.Table] = []
    links: dict[str, Links] = {}
    for manifest in manifests if days else ():
        # Only a batch with duplicates has rows of other days than its first to its last, and no links without any.
        if manifest.duplicates or manifest.overlaps(min(days), max(days)):
            table, links[manifest.batch_id] = store.stored(manifest.batch_id, days)
            tables += [table] if table.num_rows else []
    return pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({}), links


def delivered(batch_id: str, links: Links, content: pd.DataFrame) -> pd.DataFrame:
    """The rows that a batch delivered, as they were stored by it or, where they repeat others, by those."""
    own = content[content["batch_id"] == batch_id]
    places = [(other, there, here) for other, pairs in links.repeats.items() for there, here in pairs]
    if not places:
        return own
    repeated = pd.DataFrame(places, columns=[*ADDRESS, "here"]).merge(content, on=ADDRESS)
    repeated = repeated.assign(batch_id=batch_id, row=repeated["here"])
    return pd.concat([own, repeated[content.columns]], ignore_index=True).drop_duplicates(ADDRESS)


class Reconstruction:
    """The lake's rows of some days, as one batch after another brings them."""

    def __init__(self, content: pd.DataFrame, sport: Sport) -> None:
        """`content` has the columns of the rows that are going to be added: contract, address and SOURCE."""
        self._sport = sport
        self._rows = content.iloc[:0].assign(_id="", **{STANDS: True})
        self._became: dict[Place, Place] = {}
        """Place of a row that stands no longer, or never did -> that of the row which took its place or it repeats."""

    @property
    def standing(self) -> pd.DataFrame:
        """What readers would see."""
        return self._rows[self._rows[STANDS]]

    def add(self, new: pd.DataFrame, corrects: Sequence[Place] = ()) -> None:
        """Add the rows of a batch as an ingest would; row i + 1 corrects what became of the one at place i."""
        near = self._rows if corrects else self._rows[self._rows["game_date"].isin(new["game_date"].unique())]
        corrected = positions(near, [self._now(place) for place in corrects], new["row"])
        fields = new.set_index("row")[list(self._sport.fields)]
        found = identify(fields, near, self._sport.identity, self._sport.match, corrected)
        stands, held = found[STANDS].to_numpy(), found["held"].to_numpy()
        here, there = places_of(new), places_of(near)
        for at in np.flatnonzero(held >= 0):
            one, other = here[at], there[held[at]]
            self._became |= {other: one} if stands[at] else {one: other}
        batch = new["batch_id"].iat[0] if len(new) else ""
        self._became |= {there[at]: (batch, row) for row, at in corrected.items()}
        self._rows.loc[near.index[list(corrected.values())], STANDS] = False
        kept = self._rows.drop(near.index[held[stands & (held >= 0)]])
        added = new.assign(_id=found["_id"].to_numpy(), **{STANDS: True})[stands]
        self._rows = pd.concat([kept, added], ignore_index=True)

    def _now(self, place: Place) -> Place:
        while place in self._became:
            place = self._became[place]
        return place
