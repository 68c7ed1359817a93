"""Finds shots in the lake's files without pyarrow: filtered as columns, so that only those returned become objects."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from parivision_core.arrays import Bools, Ints
from parivision_core.records import Manifest
from parivision_core.store.links import ADDRESS, Hidden, Hides
from parivision_core.store.parquet import check, unreadable

ENVELOPE = (*ADDRESS, "ingested_at", "raw")
"""Columns of the lake that are no part of the shot."""
DAY, ID = "game_date", "_id"
READ_ROWS = 8_192
"""Rows read at once; more are slower, and block other threads for longer."""
KEPT_BYTES = 128 * 2**20
"""Memory for shots in each process; at about 106 bytes a shot, 1.2 million of them, five or six seasons."""

Shot = dict[str, Any]


class ShotQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which shots of the lake to find, newest first: by game date, then by `_id`, both descending."""

    batch: str | None = None
    """Id of the batch that inserted them."""
    since: str | None = None
    until: str | None = None
    """First and last game day, ISO dates, both included."""
    after: tuple[str, str] | None = None
    """Game date and `_id` of a shot: only shots that follow it in the order, for the next page."""
    where: Mapping[str, tuple[str | int, ...]] = {}
    """Field of the contract -> the values that it may have."""

    @property
    def last_day(self) -> str | None:
        """The newest day that can match."""
        days = [day for day in (self.until, self.after[0] if self.after else None) if day is not None]
        return min(days, default=None)

    def may_match(self, manifest: Manifest) -> bool:
        """Whether a batch may hold matching shots."""
        return self.batch in (None, manifest.batch_id) and manifest.overlaps(self.since, self.last_day)


class FileShots:
    """The shots of one Parquet file of the lake in memory, as Arrow columns; text is dictionary-encoded."""

    def __init__(self, path: Path) -> None:
        """Read a file, which holds at least one row. Raises StoreError when it is damaged or gone."""
        from arro3.core import dictionary_dictionary, dictionary_indices  # noqa: PLC0415 - only a search needs it

        self._path = path
        with _readable(path):
            self._columns = _columns(path)
            self._values: dict[str, list[str]] = {}
            self._numbers: dict[str, NDArray[Any]] = {}
            for name, column in self._columns.items():
                if _is_coded(column):
                    self._values[name] = list(dictionary_dictionary(column).to_pylist())
                    self._numbers[name] = np.asarray(dictionary_indices(column))
                elif name != ID:
                    self._numbers[name] = np.asarray(column)
        self.nbytes = sum(int(column.nbytes) for column in self._columns.values())
        self._days, rank = np.unique(self._values[DAY], return_inverse=True)
        self._day = rank.astype(np.int32)[self._numbers[DAY]]
        """Index of each row's day in `_days`, (n,)."""
        self._standing: tuple[Hidden, Bools] | None = None

    def newest(self, query: ShotQuery, limit: int, hidden: Hidden) -> list[tuple[str, str, int]]:
        """Date, `_id` and row of the first `limit` shots that match and aren't hidden, in the query's order."""
        matching = self._matches(query)
        rows = np.flatnonzero(matching & self._stand(hidden) if hidden else matching)
        if query.after is not None:
            rows = self._following(rows, query.after)
        if len(rows) > limit:
            # All rows of the oldest day in the result stay, for their ids decide.
            day = self._day[rows]
            rows = rows[day >= np.partition(day, -limit)[-limit]]
        days = self._days[self._day[rows]].tolist()
        found = zip(days, self._ids(rows), rows.tolist(), strict=True)
        return sorted(found, reverse=True)[:limit]

    def shots(self, rows: Sequence[int], columns: Sequence[str] | None) -> list[Shot]:
        """Some rows as objects with the given columns, all by default; None stands for a column that the file lacks."""
        names = list(self._columns) if columns is None else list(columns)
        values = [self._taken(self._columns[n], rows) if n in self._columns else repeat(None) for n in names]
        return [dict(zip(names, row, strict=True)) for row, _ in zip(zip(*values, strict=False), rows, strict=False)]

    def _stand(self, hidden: Hidden) -> Bools:
        """Which rows aren't hidden, (n,). Addresses aren't kept in memory, for what is hidden changes seldom."""
        known = self._standing
        if known is None or not _equal(known[0], hidden):
            with _readable(self._path):
                known = self._standing = hidden, _standing(_columns(self._path, ADDRESS), hidden)
        return known[1]

    def _matches(self, query: ShotQuery) -> Bools:
        matching = np.ones(len(self._day), dtype=np.bool_)
        if query.since is not None:
            matching &= self._day >= bisect_left(self._days.tolist(), query.since)
        if (last := query.last_day) is not None:
            matching &= self._day < bisect_right(self._days.tolist(), last)
        for name, wanted in query.where.items():
            matching &= self._holds(name, wanted)
        return matching

    def _holds(self, name: str, wanted: tuple[str | int, ...]) -> Bools:
        numbers, values = self._numbers.get(name), self._values.get(name)
        if numbers is None:
            return np.zeros(len(self._day), dtype=np.bool_)
        sought = wanted if values is None else [code for code, value in enumerate(values) if value in wanted]
        return np.isin(numbers, np.asarray(sought))

    def _following(self, rows: Ints, after: tuple[str, str]) -> Ints:
        """Those of the rows that follow a shot in the order; none is of a later day than it."""
        same = self._days[self._day[rows]] == after[0]
        on_day = rows[same]
        later = [row for row, found in zip(on_day.tolist(), self._ids(on_day), strict=True) if found < after[1]]
        return np.concatenate([rows[~same], np.array(later, dtype=np.int64)])

    def _ids(self, rows: Ints) -> list[str]:
        return self._taken(self._columns[ID], rows)

    @staticmethod
    def _taken(column: Any, rows: Sequence[int] | Ints) -> list[Any]:
        from arro3.core import Array  # noqa: PLC0415 - see above

        taken: list[Any] = column.take(Array.from_numpy(np.asarray(rows, dtype=np.uint32))).to_pylist()
        return taken


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Check a file before it is read. Raises StoreError when it is damaged or gone."""
    check(path)
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # errors of a Rust library share no class, and its panics aren't Exceptions
        raise unreadable(path, error) from error


def _equal(one: Hidden, other: Hidden) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[batch], other[batch]) for batch in one)


def _standing(address: Mapping[str, Any], hidden: Hidden) -> Bools:
    """Which of the rows with these addresses aren't hidden, (n,)."""
    from arro3.core import dictionary_dictionary, dictionary_indices  # noqa: PLC0415 - only a search needs it

    numbers, codes = np.asarray(address["row"]), np.asarray(dictionary_indices(address["batch_id"]))
    batches = dictionary_dictionary(address["batch_id"]).to_pylist()
    standing = np.ones(len(numbers), dtype=np.bool_)
    for batch, rows in hidden.items():
        of_batch = [code for code, value in enumerate(batches) if batch in (None, value)]
        standing &= ~(np.isin(codes, of_batch) & np.isin(numbers, rows))
    return standing


def _columns(path: Path, names: Sequence[str] = ()) -> dict[str, Any]:
    """Columns of a file, by default the contract's, each in one piece; text but for ids is dictionary-encoded."""
    from arro3.core import Array, ChunkedArray, DataType  # noqa: PLC0415 - only a search needs it
    from arro3.io import read_parquet  # noqa: PLC0415 - see above

    text, codes = DataType.string(), DataType.dictionary(DataType.int32(), DataType.string())
    reader = read_parquet(path, batch_size=READ_ROWS)
    wanted = names or [name for name in reader.schema.names if name not in ENVELOPE]
    pieces: dict[str, list[Any]] = {name: [] for name in wanted}
    for batch in reader:
        rows = Array.from_numpy(np.arange(batch.num_rows, dtype=np.uint32))
        for name, kept in pieces.items():
            column = batch.column(name)
            # Decoded columns lie in buffers of four times their size, so that copies are kept.
            kept.append(column.cast(codes) if column.type == text and name != ID else column.take(rows))
    return {name: ChunkedArray(kept).combine_chunks() for name, kept in pieces.items()}


def _is_coded(column: Any) -> bool:
    from arro3.core import DataType  # noqa: PLC0415 - see above

    return DataType.is_dictionary(column.type)


class LakeFiles:
    """A cache of the lake's files; a file never changes under its name, so what was read stays valid."""

    def __init__(self, folder: Path, kept_bytes: int = KEPT_BYTES) -> None:
        self._folder, self._most = folder, kept_bytes
        self._kept: OrderedDict[str, FileShots] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def find(
        self,
        files: Mapping[str, tuple[int, Manifest]],
        hides: Hides,
        query: ShotQuery,
        limit: int,
        columns: Sequence[str] | None,
    ) -> list[Shot]:
        """The first `limit` shots that stand and match a query, of these files with their commits.

        Files are opened newest first, as long as they may hold shots that come before those found already.
        """
        chosen = [(m.last_date or "", file) for file, (_, m) in files.items() if query.may_match(m)]
        found: list[tuple[str, str, int, FileShots]] = []
        for last, file in sorted(chosen, reverse=True):
            if len(found) == limit and found[-1][0] > last:
                break
            shots = self._opened(file)
            hidden = hides.of(*files[file])
            found += [(day, name, row, shots) for day, name, row in shots.newest(query, limit, hidden)]
            found = sorted(found, key=lambda shot: shot[:2], reverse=True)[:limit]
        answer: list[Shot] = [{}] * len(found)
        places: dict[FileShots, list[int]] = {}
        for place, (*_, shots) in enumerate(found):
            places.setdefault(shots, []).append(place)
        for shots, held in places.items():
            for place, shot in zip(held, shots.shots([found[p][2] for p in held], columns), strict=True):
                answer[place] = shot
        return answer

    def _opened(self, file: str) -> FileShots:
        # One file is read at a time, so that memory stays within its limit.
        with self._lock:
            shots = self._kept.pop(file, None)
            if shots is None:
                shots = FileShots(self._folder / file)
                self._bytes += shots.nbytes
            self._kept[file] = shots
            while self._bytes > self._most and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
            return shots
