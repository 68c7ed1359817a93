"""The embedded journal: one SQLite file that any number of processes on the machine may read and write at once."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from parivision_core.journal.base import DAY, READ_BYTES, Call, Journal, Outcome
from parivision_core.journal.ids import name_of, parts_of
from parivision_core.problems import StoreError

FORMAT = 1
BUSY_SECONDS = 30
"""How long a write waits for those of other processes, which take milliseconds."""
ALONE = -1
"""Row of the prediction of a single shot."""

# Ids ascend, so that new calls come at the end of a table that is sorted by them, and need no index beside it.
_TABLES = f"""
PRAGMA user_version = {FORMAT};
CREATE TABLE pairs (
    n INTEGER PRIMARY KEY, version INTEGER NOT NULL, sha256 TEXT NOT NULL, stamp TEXT NOT NULL, schema TEXT NOT NULL,
    UNIQUE (version, sha256, stamp, schema));
CREATE TABLE calls (
    id TEXT PRIMARY KEY, content TEXT NOT NULL, request BLOB NOT NULL, probability BLOB NOT NULL,
    features BLOB NOT NULL, pair INTEGER NOT NULL, latency_us INTEGER NOT NULL, caller TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE deleted (id TEXT NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (id, row)) WITHOUT ROWID;
CREATE TABLE outcomes (
    id TEXT NOT NULL, row INTEGER NOT NULL, made INTEGER NOT NULL, source TEXT NOT NULL, told_at INTEGER NOT NULL,
    PRIMARY KEY (id, row)) WITHOUT ROWID;
CREATE TABLE awaited (id TEXT NOT NULL, row INTEGER NOT NULL, key TEXT NOT NULL, PRIMARY KEY (id, row)) WITHOUT ROWID;
CREATE INDEX awaited_keys ON awaited (key);
"""
_BELONGINGS = ("deleted", "outcomes", "awaited")

_PUT_PAIR = "INSERT INTO pairs (version, sha256, stamp, schema) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_GET_PAIR = "SELECT n FROM pairs WHERE version = ? AND sha256 = ? AND stamp = ? AND schema = ?"
_CALL = "(?, ?, ?, ?, ?, ?, ?, ?)"
_CALLS_AT_ONCE = 128
"""Most calls to a statement. Python gives its lock away at each, and a busy service returns it half a millisecond
later, so that a call with a statement of its own costs 30 us of CPU, and one of a hundred 9."""
_GET_CALL = """SELECT id, content, request, probability, features, version, sha256, stamp, schema, latency_us, caller
FROM calls JOIN pairs ON pair = n"""
_PUT_OUTCOME = """INSERT INTO outcomes SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM calls WHERE id = ?1)
ON CONFLICT DO UPDATE SET made = excluded.made, source = excluded.source, told_at = excluded.told_at
WHERE excluded.source = 'lake' OR outcomes.source = 'caller'"""

Pair = tuple[int, str, str, str]


class SqliteJournal(Journal):
    """A journal in one file. What is appended lies on the disk before `append` returns (WAL, synchronous FULL)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Kept open: opening costs as much as writing many calls, and the last to close folds the whole log in.
        self._idle: list[sqlite3.Connection] = []
        self._pairs: dict[Pair, int] = {}
        try:
            if not path.exists():
                self._create()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"can't make the journal {path}: {error}; check the folder's rights and disk") from error
        with self._connection() as db:
            found = db.execute("PRAGMA user_version").fetchone()[0]
        if found != FORMAT:
            self.close()
            raise StoreError(
                f"the journal {path} has format {found}, this version writes format {FORMAT}; move the file away, "
                "which begins a new journal, or run the version that made it"
            )

    def _create(self) -> None:
        """Make the tables in a file that gets its name last: openers at the same moment see all or nothing."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            if self.path.exists():
                return
            partial = self.path.with_name(f"{self.path.name}.partial")
            partial.unlink(missing_ok=True)
            with closing(sqlite3.connect(partial)) as db:
                db.execute(
                    "PRAGMA page_size = 16384"
                )  # a call has 700 bytes: fewer pages are written, and written again
                db.executescript(_TABLES)
                db.execute("PRAGMA journal_mode = WAL")
            partial.replace(self.path)
            os.fsync(folder)  # the name must survive a crash as well as what is written under it
        finally:
            os.close(folder)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection that no other thread uses meanwhile; one that failed isn't used again."""
        try:
            try:
                db = self._idle.pop()
            except IndexError:
                db = self._connect()
            try:
                yield db
            except BaseException:
                db.close()
                raise
            self._idle.append(db)
        except sqlite3.Error as error:
            raise StoreError(
                f"the journal {self.path} can't be read or written: {error}; free some space and check the file's "
                "rights; if it is damaged, restore it from a backup or move it away, which begins a new one"
            ) from error

    def _connect(self) -> sqlite3.Connection:
        # A file that is gone must be noticed: made anew here, it would have no tables.
        address = f"{self.path.absolute().as_uri()}?mode=rw"
        db = sqlite3.connect(address, BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)
        try:
            db.execute("PRAGMA synchronous = FULL")
        except BaseException:
            db.close()
            raise
        return db

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One write: all of it or, when its connection is closed by an error, nothing."""
        with self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")

    # Calls

    def append(self, calls: Sequence[Call]) -> None:
        """See Journal. One transaction, so that of all the calls either each is kept or none."""
        if not calls:
            return
        with self._transaction() as db:
            numbers = self._numbers(db, calls)
            for some in _pieces(calls):
                values = [value for call in some for value in _values(call, numbers[_pair(call)])]
                db.execute(f"INSERT INTO calls VALUES {', '.join([_CALL] * len(some))} ON CONFLICT DO NOTHING", values)
            if waiting := [(call.id, _row(call, row), key) for call in calls for row, key in call.awaited]:
                db.executemany("INSERT INTO awaited VALUES (?, ?, ?) ON CONFLICT DO NOTHING", waiting)
        self._pairs = numbers

    def _numbers(self, db: sqlite3.Connection, calls: Sequence[Call]) -> dict[Pair, int]:
        """Pair -> its number in the file, for those of these calls; new ones are noted in it."""
        numbers = {}
        for pair in {_pair(call) for call in calls}:
            if pair in self._pairs:
                numbers[pair] = self._pairs[pair]
                continue
            db.execute(_PUT_PAIR, pair)
            numbers[pair] = db.execute(_GET_PAIR, pair).fetchone()[0]
        return numbers

    def calls(self, *, before: str | None = None, since: str | None = None, limit: int) -> list[Call]:
        """See Journal."""
        found, size = [], 0
        with self._connection() as db:
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
        """See Journal."""
        rows = self._query(f"{_GET_CALL} WHERE id = ?", (call_id,))
        return _call(rows[0]) if rows else None

    def delete(self, call_id: str, row: int | None = None) -> bool:
        """See Journal."""
        with self._transaction() as db:
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
        """See Journal."""
        with self._connection() as db:
            found = {
                call_id: {row for (row,) in db.execute("SELECT row FROM deleted WHERE id = ?", (call_id,))}
                for call_id in call_ids
            }
        return {call_id: rows for call_id, rows in found.items() if rows}

    def prune(self, before: str, limit: int) -> int:
        """See Journal. The space is used again, the file doesn't shrink."""
        with self._transaction() as db:
            oldest = db.execute("SELECT id FROM calls WHERE id < ? ORDER BY id LIMIT ?", (before, limit)).fetchall()
            if oldest:
                for table in (*_BELONGINGS, "calls"):
                    db.execute(f"DELETE FROM {table} WHERE id <= ?", oldest[-1])
        return len(oldest)

    # Outcomes

    def put_outcomes(self, outcomes: Mapping[str, Outcome]) -> None:
        """See Journal."""
        told = [(*_place(name), o.made, o.source, o.told_at) for name, o in outcomes.items()]
        with self._transaction() as db:
            db.executemany(_PUT_OUTCOME, told)
            by_lake = [(call_id, row) for call_id, row, _, source, _ in told if source == "lake"]
            db.executemany("DELETE FROM awaited WHERE id = ? AND row = ?", by_lake)

    def outcomes(self, predictions: Collection[str]) -> dict[str, Outcome]:
        """See Journal."""
        found = {}
        with self._connection() as db:
            for name in predictions:
                known = db.execute(
                    "SELECT made, source, told_at FROM outcomes WHERE id = ? AND row = ?", _place(name)
                ).fetchone()
                if known:
                    found[name] = Outcome(made=bool(known[0]), source=known[1], told_at=known[2])
        return found

    def awaiting(self, keys: Iterable[str]) -> dict[str, list[str]]:
        """See Journal."""
        with self._connection() as db:
            found = {
                key: [
                    _name(*place)
                    for place in db.execute("SELECT id, row FROM awaited WHERE key = ? ORDER BY id, row", (key,))
                ]
                for key in keys
            }
        return {key: names for key, names in found.items() if names}

    def awaited_days(self) -> dict[str, str]:
        """See Journal."""
        days = self._query(
            "SELECT substr(key, 1, ?) AS day, count(*) || ' ' || max(id) FROM awaited GROUP BY day ORDER BY day", (DAY,)
        )
        return dict(days)

    def close(self) -> None:
        """See Journal."""
        while self._idle:
            self._idle.pop().close()

    def _query(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        with self._connection() as db:
            return db.execute(sql, parameters).fetchall()


def _pieces(calls: Sequence[Call]) -> Iterator[Sequence[Call]]:
    """Calls in runs of powers of two: few statements, each kept by its connection (one of any size takes 9 MB)."""
    start = 0
    while left := len(calls) - start:
        size = min(_CALLS_AT_ONCE, 1 << left.bit_length() - 1)
        yield calls[start : start + size]
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
    return call.champion_version, call.champion_sha256, call.form_stamp, call.schema


def _row(call: Call, row: int) -> int:
    return ALONE if call.content == "shot" else row


def _place(name: str) -> tuple[str, int]:
    call_id, row = parts_of(name)
    return call_id, ALONE if row is None else row


def _name(call_id: str, row: int) -> str:
    return name_of(call_id, None if row == ALONE else row)


def _call(row: Sequence[Any]) -> Call:
    names = ("id", "content", "request", "probability", "features", "champion_version", "champion_sha256", "form_stamp")
    return Call(**dict(zip((*names, "schema", "latency_us", "caller"), row, strict=True)))
