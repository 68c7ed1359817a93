"""Links between commits: how they are packed for storage, and which rows stand by them.

A season that is delivered twice has 200,000 repeats, so links are kept as compressed differences: rows that follow one
another cost next to nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
import numpy as np

from parivision_core.arrays import Ints
from parivision_core.problems import StoreError
from parivision_core.records import Links, Manifest

Hidden = dict[str, Ints]
"""Batch id -> rows with that address, among those of one commit, that don't stand."""
_ROW = np.dtype("<i4")


class PackedRows(msgspec.Struct, frozen=True):
    """Rows of one batch that a commit hides; or, with `here`, those that its own rows equal."""

    there: bytes
    here: bytes = b""


def packed_hides(links: Links) -> dict[str, PackedRows]:
    """Batch id -> the rows that are hidden, in order."""
    return {batch: PackedRows(_packed(sorted(rows))) for batch, rows in links.hides.items() if rows}


def packed_repeats(links: Links) -> dict[str, PackedRows]:
    """Batch id -> the pairs of equal rows, in order."""
    pairs = {batch: zip(*sorted(rows), strict=True) for batch, rows in links.repeats.items() if rows}
    return {batch: PackedRows(*map(_packed, columns)) for batch, columns in pairs.items()}


def unpacked(hides: Iterable[tuple[str, PackedRows]], repeats: Iterable[tuple[str, PackedRows]]) -> Links:
    """The links that were packed, by batch id. Raises StoreError when they are damaged."""
    return Links(
        hides={batch: rows_of(packed.there).tolist() for batch, packed in hides},
        repeats={
            batch: list(zip(rows_of(packed.there).tolist(), rows_of(packed.here).tolist(), strict=True))
            for batch, packed in repeats
        },
    )


def _packed(rows: Sequence[int]) -> bytes:
    return zlib.compress(np.diff(np.asarray(rows, dtype=_ROW), prepend=_ROW.type(0)).tobytes(), 1)


def rows_of(packed: bytes) -> Ints:
    """Packed rows. Raises StoreError when they are damaged."""
    try:
        return np.cumsum(np.frombuffer(zlib.decompress(packed), dtype=_ROW), dtype=np.int64)
    except (zlib.error, ValueError) as error:
        raise StoreError(f"the links of a batch are damaged: {error}; restore the store from a backup") from error


class Hides:
    """Which rows don't stand, by the links of all commits that a reader sees."""

    def __init__(self, commits: Iterable[tuple[int, Manifest]], read: Callable[[], Iterator[tuple[int, str, bytes]]]):
        """Commits and their numbers, which rise with time, of which links are `read` if any hides rows.

        `read` gives the number of a commit, the batch whose rows it hides, and these rows, packed; other commits than
        those given are ignored. Raises StoreError when rows are missing.
        """
        wanted = {
            n: manifest.hidden + (manifest.kept or 0) for n, manifest in commits if manifest.hidden or manifest.kept
        }
        self._hidden: dict[str, list[tuple[int, Ints]]] = {}
        found = dict.fromkeys(wanted, 0)
        for n, batch, packed in read() if wanted else ():
            if n in wanted:
                rows = rows_of(packed)
                self._hidden.setdefault(batch, []).append((n, rows))
                found[n] += len(rows)
        if found != wanted:
            raise StoreError("the links of some batches are missing or damaged; restore the store from a backup")

    def __bool__(self) -> bool:
        """Whether anything is hidden."""
        return bool(self._hidden)

    def of(self, n: int, manifest: Manifest) -> Hidden:
        """Addresses that don't stand among the rows that commit `n` stored."""
        if not self._hidden:
            return {}
        own = manifest.batch_id
        # Only a withdrawal stores rows of other batches.
        batches = [own, *(self._hidden if manifest.withdraws else ())]
        rows = {b: [r for by, r in self._hidden.get(b, ()) if by > n or (by == n and b == own)] for b in batches}
        return {batch: np.concatenate(pieces) for batch, pieces in rows.items() if pieces}
