"""Links between commits: how they are packed for storage, and which rows stand by them.

A season that is delivered twice has 200,000 repeats, so links are kept as compressed differences: rows that follow one
another cost next to nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from parivision_core.arrays import Ints
from parivision_core.problems import StoreError
from parivision_core.records import Links, Manifest

if TYPE_CHECKING:
    import pyarrow as pa

ADDRESS = ("batch_id", "row")
"""Columns of the lake by which links name a row."""

Hidden = dict[str | None, Ints]
"""Rows that don't stand among those that a commit stored, by their batch; None where all are of the commit's own."""
_ROW = np.dtype("<i4")


class PackedRows(msgspec.Struct, frozen=True):
    """Rows of one batch that a commit hides; or, with `here`, those that its own rows equal."""

    count: int
    there: bytes
    here: bytes = b""


def packed_hides(links: Links) -> dict[str, PackedRows]:
    """Batch id -> the rows that are hidden, in order."""
    return {batch: PackedRows(len(rows), _packed(sorted(rows))) for batch, rows in links.hides.items() if rows}


def packed_repeats(links: Links) -> dict[str, PackedRows]:
    """Batch id -> the pairs of equal rows, in order."""
    return {
        batch: PackedRows(len(pairs), *map(_packed, zip(*sorted(pairs), strict=True)))
        for batch, pairs in links.repeats.items()
        if pairs
    }


def unpacked(hides: Iterable[tuple[str, PackedRows]], repeats: Iterable[tuple[str, PackedRows]]) -> Links:
    """The links that were packed, by batch id. Raises StoreError when they are damaged."""
    return Links(
        hides={batch: _rows(packed.there).tolist() for batch, packed in hides},
        repeats={
            batch: list(zip(_rows(packed.there).tolist(), _rows(packed.here).tolist(), strict=True))
            for batch, packed in repeats
        },
    )


def _packed(rows: Sequence[int]) -> bytes:
    return zlib.compress(np.diff(np.asarray(rows, dtype=_ROW), prepend=_ROW.type(0)).tobytes(), 1)


def _rows(packed: bytes) -> Ints:
    try:
        return np.cumsum(np.frombuffer(zlib.decompress(packed), dtype=_ROW), dtype=np.int64)
    except (zlib.error, ValueError) as error:
        raise StoreError(f"the links of a batch are damaged: {error}; restore the store from a backup") from error


class Hides:
    """Which rows don't stand, by the links of all commits that a reader sees."""

    def __init__(
        self, commits: Iterable[tuple[int, Manifest]], read: Callable[[], Iterable[tuple[int, str, PackedRows]]]
    ) -> None:
        """Commits and their numbers, which rise with time, whose links are `read` if any of them hides rows.

        `read` gives the number of a commit, the batch whose rows it hides, and these rows; other commits than those
        given are ignored. Raises StoreError when rows are missing.
        """
        missing = {n: m.hidden + (m.kept or 0) for n, m in commits if m.hidden or m.kept}
        self._hidden: dict[str, list[tuple[int, PackedRows]]] = {}
        for n, batch, rows in read() if missing else ():
            if n in missing:
                self._hidden.setdefault(batch, []).append((n, rows))
                missing[n] -= rows.count
        if any(missing.values()):
            raise StoreError("the links of some batches are missing or damaged; restore the store from a backup")

    def __bool__(self) -> bool:
        """Whether anything is hidden."""
        return bool(self._hidden)

    def of(self, n: int, manifest: Manifest) -> Hidden:
        """What doesn't stand among the rows that commit `n` stored."""
        own = manifest.batch_id
        # Only a withdrawal stores rows of other batches.
        batches: dict[str | None, str] = {b: b for b in self._hidden} if manifest.withdraws else {None: own}
        found = {
            key: [rows for by, rows in self._hidden.get(batch, ()) if by > n or (by == n and batch == own)]
            for key, batch in batches.items()
        }
        return {key: np.concatenate([_rows(p.there) for p in packed]) for key, packed in found.items() if packed}


def without(table: pa.Table, hidden: Hidden) -> pa.Table:
    """A table, which has the columns ADDRESS, without hidden rows."""
    import pyarrow as pa  # noqa: PLC0415 - the service opens a store without Arrow
    import pyarrow.compute as pc  # noqa: PLC0415 - see above

    for batch, rows in hidden.items():
        gone = pc.is_in(table["row"], pa.array(rows, table["row"].type))
        if batch is not None:
            gone = pc.and_(gone, pc.equal(table["batch_id"], batch))
        table = table.filter(pc.invert(gone))
    return table
