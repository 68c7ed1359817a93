"""The embedded prediction log: one SQLite file that any number of processes on the machine may read and write at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from parivision_core.prediction_log.base import DAY, READ_BYTES, Call, Outcome, PredictionLog
from parivision_core.prediction_log.ids import name_of, parts_of
from parivision_core.prediction_log.sqlite_file import SqliteFile

ALONE = -1
"""Row of the prediction of a single shot."""

_BELONGINGS = ("deleted", "outcomes", "awaited")

_PUT_PAIR = "INSERT INTO pairs (version, sha256, stamp, schema) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_GET_PAIR = "SELECT n FROM pairs WHERE version = ? AND sha256 = ? AND stamp = ? AND schema = ?"
_CALL = "(?, ?, ?, ?, ?, ?, ?, ?)"
_AWAITED = "(?, ?, ?)"
_ROWS_AT_ONCE = 128
"""Most rows to a statement. Python gives its lock away at each, and a busy service returns it half a millisecond
later, so that a call with a statement of its own costs 30 us of CPU, and one of a hundred 9."""
_MANY = 2_000
"""Rows that are keyed all over an index: the pages that so many touch have to fit into the cache."""
_GET_CALL = """SELECT id, content, request, probability, features, version, sha256, stamp, schema, latency_us, caller
FROM calls JOIN pairs ON pair = n"""
_PUT_OUTCOME = """INSERT INTO outcomes SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM calls WHERE id = ?1)
ON CONFLICT DO UPDATE SET made = excluded.made, source = excluded.source, reported_at = excluded.reported_at
WHERE excluded.source = 'lake' OR outcomes.source = 'caller'"""
# Steps from day to day through the index of the keys, which begin with them; ";" is the character behind ":".
_DAYS = """WITH RECURSIVE found (day) AS (
    SELECT substr(min(key), 1, ?1) FROM awaited
    UNION ALL
    SELECT (SELECT substr(min(key), 1, ?1) FROM awaited WHERE key >= found.day || ';') FROM found WHERE day IS NOT NULL)
SELECT day, coalesce(appends, 0) FROM found LEFT JOIN days USING (day) WHERE day IS NOT NULL"""
_COUNT_DAY = "INSERT INTO days VALUES (?, 1) ON CONFLICT DO UPDATE SET appends = appends + 1"

Pair = tuple[int, str, str, str]
Row = TypeVar("Row")


class SqlitePredictionLog(PredictionLog):
    """A prediction log in one file. What is appended lies on the disk before `append` returns (WAL, synchronous FULL)."""

    def __init__(self, path: Path) -> None:
        """Raises StoreError when the file can't be made or opened, and when it isn't a prediction log of this version."""
        self.path = path
        self._file = SqliteFile(path)

    # Calls

    def append(self, calls: Sequence[Call]) -> None:
        """See Prediction log. One transaction, so that of all the calls either each is kept or none."""
        if not calls:
            return
        awaited = [(call.id, _row(call, row), key) for call in calls for row, key in call.awaited]
        awaited.sort(key=lambda place: place[2])  # neighbours in the index, which the next batch shares
        with self._file.transaction(large=len(awaited) >= _MANY) as db:
            numbers = {pair: _number(db, pair) for pair in {_pair(call) for call in calls}}
            _insert(db, "calls", _CALL, [_values(call, numbers[_pair(call)]) for call in calls])
            if awaited:
                _insert(db, "awaited", _AWAITED, awaited)
                db.executemany(_COUNT_DAY, [(day,) for day in sorted({key[:DAY] for _, _, key in awaited})])

    def calls(self, *, before: str | None = None, since: str | None = None, limit: int) -> list[Call]:
        """See Prediction log."""
        found, size = [], 0
        with self._file.connection() as db:
            # A bound that isn't given is one that no id passes: ids are hexadecimal.
            rows = db.execute(
                f"{_GET_CALL} WHERE id < ? AND id >= ? ORDER BY id DESC LIMIT ?", (before or "g", since or "", limit)
            )
            with closing(rows):
                for row in rows:
                    found.append(_call(row))
                    size += found[-1].size
                    if size > READ_BYTES:
                        break
        return found

    def call(self, call_id: str) -> Call | None:
        """See Prediction log."""
        rows = self._query(f"{_GET_CALL} WHERE id = ?", (call_id,))
        return _call(rows[0]) if rows else None

    def delete(self, call_id: str, row: int | None = None) -> bool:
        """See Prediction log."""
        with self._file.transaction() as db:
            if row is None:
                for table in _BELONGINGS:
                    db.execute(f"DELETE FROM {table} WHERE id = ?", (call_id,))
                return db.execute("DELETE FROM calls WHERE id = ?", (call_id,)).rowcount > 0
            for table in ("outcomes", "awaited"):
                db.execute(f"DELETE FROM {table} WHERE id = ? AND row = ?", (call_id, row))
            done = db.execute(
                "INSERT INTO deleted SELECT id, ?2 FROM calls WHERE id = ?1 AND content <> 'shot' "
                "AND ?2 BETWEEN 0 AND length(probability) / 8 - 1 ON CONFLICT DO NOTHING",
                (call_id, row),
            )
            return done.rowcount > 0

    def deleted(self, call_ids: Collection[str]) -> dict[str, set[int]]:
        """See Prediction log."""
        with self._file.connection() as db:
            found = {
                call_id: {row for (row,) in db.execute("SELECT row FROM deleted WHERE id = ?", (call_id,))}
                for call_id in call_ids
            }
        return {call_id: rows for call_id, rows in found.items() if rows}

    def prune(self, before: str, limit: int) -> int:
        """See Prediction log. The space is used again, the file doesn't shrink."""
        with self._file.transaction(large=True) as db:
            oldest = db.execute("SELECT id FROM calls WHERE id < ? ORDER BY id LIMIT ?", (before, limit)).fetchall()
            if oldest:
                for table in (*_BELONGINGS, "calls"):
                    db.execute(f"DELETE FROM {table} WHERE id <= ?", oldest[-1])
        return len(oldest)

    # Outcomes

    def put_outcomes(self, outcomes: Mapping[str, Outcome]) -> None:
        """See Prediction log."""
        told = [(*_place(name), o.made, o.source, o.reported_at) for name, o in outcomes.items()]
        with self._file.transaction(large=len(told) >= _MANY) as db:
            db.executemany(_PUT_OUTCOME, told)
            by_lake = [(call_id, row) for call_id, row, _, source, _ in told if source == "lake"]
            db.executemany("DELETE FROM awaited WHERE id = ? AND row = ?", by_lake)

    def outcomes(self, predictions: Collection[str]) -> dict[str, Outcome]:
        """See Prediction log."""
        found = {}
        with self._file.connection() as db:
            for name in predictions:
                known = db.execute(
                    "SELECT made, source, reported_at FROM outcomes WHERE id = ? AND row = ?", _place(name)
                ).fetchone()
                if known:
                    found[name] = Outcome(made=bool(known[0]), source=known[1], reported_at=known[2])
        return found

    def awaiting(self, keys: Iterable[str]) -> dict[str, list[str]]:
        """See Prediction log."""
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
        """See Prediction log."""
        return {day: str(appends) for day, appends in self._query(_DAYS, (DAY,))}

    def close(self) -> None:
        """See Prediction log."""
        self._file.close()

    def _query(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        with self._file.connection() as db:
            return db.execute(sql, parameters).fetchall()


def _number(db: sqlite3.Connection, pair: Pair) -> int:
    """A pair's number in the file. It isn't remembered: another file may stand there the next time."""
    known = db.execute(_GET_PAIR, pair).fetchone()
    if known is None:
        db.execute(_PUT_PAIR, pair)
        known = db.execute(_GET_PAIR, pair).fetchone()
    return int(known[0])


def _insert(db: sqlite3.Connection, table: str, row: str, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows, each written as `row` says; those that are there already are passed over."""
    for some in _pieces(rows):
        db.execute(
            f"INSERT INTO {table} VALUES {', '.join([row] * len(some))} ON CONFLICT DO NOTHING",
            [value for values in some for value in values],
        )


def _pieces(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Rows in runs of powers of two: few statements, each kept by its connection (one of any size takes 9 MB)."""
    start = 0
    while left := len(rows) - start:
        size = min(_ROWS_AT_ONCE, 1 << left.bit_length() - 1)
        yield rows[start : start + size]
        start += size


def _values(call: Call, pair: int) -> tuple[Any, ...]:
    return (
        call.id,
        call.content,
        call.request,
        call.probability,
        call.features,
        pair,
        call.latency_us,
        call.caller,
    )


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
