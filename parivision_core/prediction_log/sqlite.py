"""The embedded prediction log: one SQLite file that any number of processes on a machine may use at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from parivision_core.checksums import crc_of
from parivision_core.prediction_log.base import DAY_LENGTH, READ_BYTES, Call, Outcome, PredictionLog
from parivision_core.prediction_log.ids import name_of, parts_of
from parivision_core.prediction_log.sqlite_file import CHECKED, SqliteFile

ALONE = -1
"""Row of the prediction of a single shot."""

_DEPENDENT_TABLES = ("deleted", "outcomes", "awaited", "settled")

_PUT_PAIR = """INSERT INTO pairs (version, sha256, stamp, schema, crc) VALUES (?1, ?2, ?3, ?4, crc(?1, ?2, ?3, ?4))
ON CONFLICT DO NOTHING"""
_GET_PAIR = "SELECT n FROM pairs WHERE version = ? AND sha256 = ? AND stamp = ? AND schema = ?"
_CALL = "(?, ?, ?, ?, ?, ?, ?, ?, ?)"
_AWAITED = "(?, ?, ?)"
_ROWS_AT_ONCE = 128
"""Most rows in a statement. Python releases its lock at each statement, and a busy service gets it back half a
millisecond later: a call costs 30 us of CPU in a statement of its own, and 9 us in one of a hundred."""
_MANY = 2_000
"""From so many rows on, spread all over an index, the pages that they touch don't fit into the usual cache."""
_GET_CALL = f"""SELECT calls.crc IS NULL OR calls.crc = crc({CHECKED["calls"]}),
pairs.crc IS NULL OR pairs.crc = crc({CHECKED["pairs"]}),
id, content, request, probability, features, version, sha256, stamp, schema, latency_us, caller
FROM calls JOIN pairs ON pair = n"""  # nosec  # B608: columns are constants
_PUT_OUTCOME = """INSERT INTO outcomes SELECT ?1, ?2, ?3, ?4, ?5, crc(?1, ?2, ?3, ?4, ?5)
WHERE EXISTS (SELECT 1 FROM calls WHERE id = ?1) ON CONFLICT DO UPDATE
SET made = excluded.made, source = excluded.source, reported_at = excluded.reported_at, crc = excluded.crc
WHERE excluded.source = 'lake' OR outcomes.source = 'caller'"""
# Steps from day to day through the index of the keys, which begin with the day; ";" is the character after ":".
_DAYS_OF = """WITH RECURSIVE found (day) AS (
    SELECT substr(min(key), 1, ?1) FROM {0}
    UNION ALL
    SELECT (SELECT substr(min(key), 1, ?1) FROM {0} WHERE key >= found.day || ';') FROM found WHERE day IS NOT NULL)
SELECT day, coalesce(appends, 0) FROM found LEFT JOIN days USING (day) WHERE day IS NOT NULL"""
_MOVE = "INSERT INTO {1} SELECT id, row, key FROM {0} WHERE id = ? AND row = ? ON CONFLICT DO NOTHING"
_GET_OUTCOME = f"""SELECT made, source, reported_at, crc IS NULL OR crc = crc({CHECKED["outcomes"]})
FROM outcomes WHERE id = ? AND row = ?"""  # nosec  # B608: columns are constants
_COUNT_DAY = """INSERT INTO days VALUES (?1, 1, crc(?1, 1))
ON CONFLICT DO UPDATE SET appends = appends + 1, crc = crc(day, appends + 1)"""

Pair = tuple[int, str, str, str]
"""Version and sha256 of a champion, stamp of a feature state, and their schema."""
Row = TypeVar("Row")


class SqlitePredictionLog(PredictionLog):
    """A prediction log in one file. Calls are on disk before `append` returns (WAL, synchronous FULL)."""

    def __init__(self, path: Path) -> None:
        """Raises StoreError when the file can't be made or opened, or isn't a prediction log of this version."""
        self.path = path
        self._file = SqliteFile(path)

    # Calls

    def append(self, calls: Sequence[Call]) -> None:
        """See PredictionLog. One transaction: either all calls are kept or none."""
        if not calls:
            return
        awaited = [(call.id, _row(call, row), key) for call in calls for row, key in call.awaited]
        awaited.sort(key=lambda place: place[2])  # adjacent in the index, whose pages the next bulk request uses again
        with self._file.transaction(large=len(awaited) >= _MANY) as db:
            numbers = {pair: _number(db, pair) for pair in {_pair(call) for call in calls}}
            _insert(db, "calls", _CALL, [_values(call, numbers[_pair(call)]) for call in calls])
            if awaited:
                _insert(db, "awaited", _AWAITED, awaited)
                db.executemany(_COUNT_DAY, [(day,) for day in sorted({key[:DAY_LENGTH] for _, _, key in awaited})])

    def calls(self, *, before: str | None = None, since: str | None = None, limit: int) -> list[Call]:
        """See PredictionLog."""
        found, size = [], 0
        with self._file.connection() as db:
            # Ids are hexadecimal: "" and "g" are bounds that no id exceeds.
            rows = db.execute(
                f"{_GET_CALL} WHERE id < ? AND id >= ? ORDER BY id DESC LIMIT ?", (before or "g", since or "", limit)
            )
            with closing(rows):
                for row in rows:
                    found.append(self._call(row))
                    size += found[-1].size
                    if size > READ_BYTES:
                        break
        return found

    def call(self, call_id: str) -> Call | None:
        """See PredictionLog."""
        rows = self._query(f"{_GET_CALL} WHERE id = ?", (call_id,))
        return self._call(rows[0]) if rows else None

    def delete(self, call_id: str, row: int | None = None) -> bool:
        """See PredictionLog."""
        with self._file.transaction() as db:
            if row is None:
                for table in _DEPENDENT_TABLES:
                    db.execute(f"DELETE FROM {table} WHERE id = ?", (call_id,))  # nosec  # B608: a constant
                return db.execute("DELETE FROM calls WHERE id = ?", (call_id,)).rowcount > 0
            for table in ("outcomes", "awaited", "settled"):
                db.execute(f"DELETE FROM {table} WHERE id = ? AND row = ?", (call_id, row))  # nosec  # B608: a constant
            done = db.execute(
                "INSERT INTO deleted SELECT id, ?2, crc(id, ?2) FROM calls WHERE id = ?1 AND content <> 'shot' "
                "AND ?2 BETWEEN 0 AND length(probability) / 8 - 1 ON CONFLICT DO NOTHING",
                (call_id, row),
            )
            return done.rowcount > 0

    def deleted(self, call_ids: Collection[str]) -> dict[str, set[int]]:
        """See PredictionLog."""
        with self._file.connection() as db:
            found = {
                call_id: {row for (row,) in db.execute("SELECT row FROM deleted WHERE id = ?", (call_id,))}
                for call_id in call_ids
            }
        return {call_id: rows for call_id, rows in found.items() if rows}

    def prune(self, before: str, limit: int) -> int:
        """See PredictionLog. The space is reused, the file doesn't shrink."""
        with self._file.transaction(large=True) as db:
            oldest = db.execute("SELECT id FROM calls WHERE id < ? ORDER BY id LIMIT ?", (before, limit)).fetchall()
            if oldest:
                for table in (*_DEPENDENT_TABLES, "calls"):
                    db.execute(f"DELETE FROM {table} WHERE id <= ?", oldest[-1])  # nosec  # B608: a constant
        return len(oldest)

    # Outcomes

    def put_outcomes(self, outcomes: Mapping[str, Outcome]) -> None:
        """See PredictionLog."""
        reported = [(*_place(name), o.made, o.source, o.reported_at) for name, o in outcomes.items()]
        with self._file.transaction(large=len(reported) >= _MANY) as db:
            db.executemany(_PUT_OUTCOME, reported)
            by_lake = [(call_id, row) for call_id, row, _, source, _ in reported if source == "lake"]
            db.executemany(_MOVE.format("awaited", "settled"), by_lake)
            db.executemany("DELETE FROM awaited WHERE id = ? AND row = ?", by_lake)

    def reopen(self, predictions: Collection[str]) -> None:
        """See PredictionLog."""
        places = [_place(name) for name in predictions]
        with self._file.transaction(large=len(places) >= _MANY) as db:
            db.executemany(_MOVE.format("settled", "awaited"), places)
            for table in ("settled", "outcomes"):
                db.executemany(f"DELETE FROM {table} WHERE id = ? AND row = ?", places)  # nosec  # B608: a constant

    def outcomes(self, predictions: Collection[str]) -> dict[str, Outcome]:
        """See PredictionLog."""
        found = {}
        with self._file.connection() as db:
            for name in predictions:
                known = db.execute(_GET_OUTCOME, _place(name)).fetchone()
                if known:
                    self._file.require(known[3])
                    found[name] = Outcome(made=bool(known[0]), source=known[1], reported_at=known[2])
        return found

    def awaiting(self, keys: Iterable[str]) -> dict[str, list[str]]:
        """See PredictionLog."""
        with self._file.connection() as db:
            found = {
                key: [
                    _name(*place)
                    for place in db.execute("SELECT id, row FROM awaited WHERE key = ? ORDER BY id, row", (key,))
                ]
                for key in keys
            }
        return {key: names for key, names in found.items() if names}

    def awaited_days(self) -> dict[str, str]:
        """See PredictionLog."""
        return {day: str(appends) for day, appends in self._query(_DAYS_OF.format("awaited"), (DAY_LENGTH,))}

    def settled_days(self) -> list[str]:
        """See PredictionLog."""
        return [day for day, _ in self._query(_DAYS_OF.format("settled"), (DAY_LENGTH,))]

    def settled(self, day: str) -> dict[str, list[str]]:
        """See PredictionLog."""
        found: dict[str, list[str]] = {}
        rows = "SELECT key, id, row FROM settled WHERE key >= ?1 || ':' AND key < ?1 || ';' ORDER BY key, id, row"
        for key, *place in self._query(rows, (day,)):
            found.setdefault(key, []).append(_name(*place))
        return found

    def check(self) -> None:
        """See PredictionLog. Reads the whole file: a second or two for each gigabyte."""
        self._file.check()

    def close(self) -> None:
        """See PredictionLog."""
        self._file.close()

    def _call(self, row: Sequence[Any]) -> Call:
        self._file.require(row[0] and row[1])
        return _call(row[2:])

    def _query(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        with self._file.connection() as db:
            return db.execute(sql, parameters).fetchall()


def _number(db: sqlite3.Connection, pair: Pair) -> int:
    """A pair's number in the file; not cached, because another file may take its place."""
    known = db.execute(_GET_PAIR, pair).fetchone()
    if known is None:
        db.execute(_PUT_PAIR, pair)
        known = db.execute(_GET_PAIR, pair).fetchone()
    return int(known[0])


def _insert(db: sqlite3.Connection, table: str, row: str, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows, each with the placeholders `row`; those that are there already are skipped."""
    for some in _pieces(rows):
        db.execute(
            f"INSERT INTO {table} VALUES {', '.join([row] * len(some))} ON CONFLICT DO NOTHING",  # nosec  # B608: constants
            [value for values in some for value in values],
        )


def _pieces(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Rows in groups of powers of two: a connection caches each statement, and statements of all sizes take 9 MB."""
    start = 0
    while left := len(rows) - start:
        size = min(_ROWS_AT_ONCE, 1 << left.bit_length() - 1)
        yield rows[start : start + size]
        start += size


def _values(call: Call, pair: int) -> tuple[Any, ...]:
    values = (
        call.id,
        call.content,
        call.request,
        call.probability,
        call.features,
        pair,
        call.latency_us,
        call.caller,
    )
    return (*values, crc_of(*values))


def _pair(call: Call) -> Pair:
    return call.champion_version, call.champion_sha256, call.feature_state_stamp, call.schema


def _row(call: Call, row: int) -> int:
    return ALONE if call.content == "shot" else row


def _place(name: str) -> tuple[str, int]:
    call_id, row = parts_of(name)
    return call_id, ALONE if row is None else row


def _name(call_id: str, row: int) -> str:
    return name_of(call_id, None if row == ALONE else row)


def _call(row: Sequence[Any]) -> Call:
    names = (
        "id",
        "content",
        "request",
        "probability",
        "features",
        "champion_version",
        "champion_sha256",
        "feature_state_stamp",
    )
    return Call(**dict(zip((*names, "schema", "latency_us", "caller"), row, strict=True)))
