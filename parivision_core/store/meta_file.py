"""The SQLite file of the embedded store: its tables, and their rows with checksums."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from parivision_core.checksums import DamagedError, crc_of, damage_of, sealed, unsealed
from parivision_core.problems import StoreError

FORMAT = "4"
UNLINKED = "3"
"""The format before links between batches; a store that has it is upgraded when it is opened."""
UNCHECKED = "2"
"""The format before checksums, which is upgraded likewise."""
EARLIER = (UNCHECKED, UNLINKED)
KEYS = {
    "meta": ("key", "value"),
    "manifests": ("batch_id", "file"),
    "hides": ("batch_id", "other"),
    "repeats": ("batch_id", "other"),
    "quarantine": ("batch_id", "row"),
    "failures": ("fingerprint",),
    "parts": ("name", "file", "rows"),
    "feature_states": ("name", "stamp"),
    "verdicts": ("candidate",),
}
"""Table -> the columns that `crc` covers. A body, where there is one, carries its own checksum."""
WITHOUT_BODY = frozenset({"meta", "parts"})

_LINKS = {
    table: f"CREATE TABLE IF NOT EXISTS {table} (batch_id TEXT NOT NULL, other TEXT NOT NULL, body BLOB NOT NULL,"
    " crc INTEGER, PRIMARY KEY (batch_id, other))"
    for table in ("hides", "repeats")
}
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER);
CREATE TABLE IF NOT EXISTS manifests (
    n INTEGER PRIMARY KEY, batch_id TEXT UNIQUE NOT NULL, file TEXT NOT NULL, body BLOB NOT NULL, crc INTEGER);
CREATE TABLE IF NOT EXISTS quarantine (
    batch_id TEXT NOT NULL, row INTEGER NOT NULL, body BLOB NOT NULL, crc INTEGER, PRIMARY KEY (batch_id, row));
CREATE TABLE IF NOT EXISTS failures (fingerprint TEXT PRIMARY KEY, body BLOB NOT NULL, crc INTEGER);
-- A part lies in one or more files, whose names are separated by spaces.
CREATE TABLE IF NOT EXISTS parts (name TEXT PRIMARY KEY, file TEXT NOT NULL, rows INTEGER NOT NULL, crc INTEGER);
CREATE TABLE IF NOT EXISTS feature_states (
    name TEXT PRIMARY KEY, stamp TEXT NOT NULL, body BLOB NOT NULL, crc INTEGER);
CREATE TABLE IF NOT EXISTS verdicts (
    n INTEGER PRIMARY KEY, candidate INTEGER NOT NULL, body BLOB NOT NULL, crc INTEGER);
"""

_encode = msgspec.msgpack.Encoder().encode


class MetaFile:
    """Reads and writes rows, each of which is checked when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self) -> None:
        """Make the tables, in a file that is renamed last, so that other processes see all of it or nothing."""
        partial = self.path.with_name(f"{self.path.name}.partial")
        partial.unlink(missing_ok=True)
        with closing(sqlite3.connect(partial, isolation_level=None)) as db:
            db.executescript(_TABLES)
            _add_links(db)
            put(db, "meta", "format", FORMAT)
            db.execute("PRAGMA journal_mode = WAL")
        partial.replace(self.path)

    def format(self) -> str:
        """The format that the file states."""
        with self.connection() as db:
            return str(db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()[0])

    def add_checksums(self, renamed: Mapping[str, str]) -> None:
        """Upgrade from UNCHECKED; `renamed` has the old and the new name of each Parquet file that was written anew."""
        with self.transaction() as db:
            for table, columns in KEYS.items():
                if table in _LINKS:
                    continue
                db.execute(f"ALTER TABLE {table} ADD COLUMN crc INTEGER")
                body = () if table in WITHOUT_BODY else ("body",)
                select = f"SELECT rowid, {', '.join((*columns, *body))} FROM {table}"  # nosec  # B608: KEYS
                for rowid, *values in db.execute(select).fetchall():
                    row = dict(zip((*columns, *body), values, strict=True))
                    if "file" in row:
                        row["file"] = " ".join(renamed.get(name, name) for name in row["file"].split())
                    if body:
                        row["body"] = sealed(row["body"])
                    row["crc"] = crc_of(*(row[column] for column in columns))
                    marks = ", ".join(f"{column} = ?" for column in row)
                    update = f"UPDATE {table} SET {marks} WHERE rowid = ?"  # nosec  # B608: KEYS
                    db.execute(update, [*row.values(), rowid])
            put(db, "meta", "format", UNLINKED)

    def add_links(self) -> None:
        """Upgrade from UNLINKED."""
        with self.transaction() as db:
            _add_links(db)
            put(db, "meta", "format", FORMAT)

    def check(self) -> None:
        """Look through the whole file. Raises StoreError when its pages are damaged or don't fit together."""
        with self.connection() as db:
            damage = damage_of(db)
        if damage:
            raise StoreError(f"{self.path} is damaged: {'; '.join(damage)}; restore it from a backup")

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection. Raises StoreError for SQLite's errors."""
        try:
            # Never make a file: one that was moved away would be replaced by an empty one.
            address = f"{self.path.absolute().as_uri()}?mode=rw"
            with closing(sqlite3.connect(address, timeout=60, isolation_level=None, uri=True)) as db:
                db.execute("PRAGMA synchronous = FULL")
                yield db
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise StoreError(
                f"{self.path} can't be read or written: {error}; free some space, check the folder's permissions, or "
                "restore it from a backup"
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One write: all of it or, after an error, nothing."""
        with self.connection() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                if db.in_transaction:  # SQLite has rolled back by itself if the disk is full
                    db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def keys(self, table: str, rest: str = "", *parameters: Any) -> list[tuple[Any, ...]]:
        """The KEYS of a table's rows; `rest` is the end of the statement, from WHERE on.

        Raises StoreError for a row that was changed outside the store.
        """
        select = f"SELECT {', '.join(KEYS[table])}, crc FROM {table} {rest}"  # nosec  # B608: callers' constants
        with self.connection() as db:
            rows = db.execute(select, parameters).fetchall()
        return [self._checked(table, row) for row in rows]

    def records(self, table: str, kind: type[Any], rest: str = "", *parameters: Any) -> list[tuple[Any, ...]]:
        """The KEYS of a table's rows, and last the record in each row's body; raises StoreError as `keys` does."""
        select = f"SELECT body, {', '.join(KEYS[table])}, crc FROM {table} {rest}"  # nosec  # B608: callers' constants
        with self.connection() as db:
            rows = db.execute(select, parameters).fetchall()
        return [(*self._checked(table, row), self._decoded(table, body, kind)) for body, *row in rows]

    def _checked(self, table: str, row: Sequence[Any]) -> tuple[Any, ...]:
        *keys, crc = row
        if crc != crc_of(*keys):
            raise StoreError(f"{self.path} is damaged: a row of {table} was changed; restore it from a backup")
        return tuple(keys)

    def _decoded(self, table: str, body: bytes, kind: type[Any]) -> Any:
        try:
            return msgspec.msgpack.decode(unsealed(body), type=kind)
        except (DamagedError, msgspec.DecodeError, TypeError) as error:
            raise StoreError(
                f"{self.path} is damaged, or of another version: a {kind.__name__} in {table} can't be read ({error}); "
                "restore it from a backup"
            ) from error


def _add_links(db: sqlite3.Connection) -> None:
    for statement in _LINKS.values():
        db.execute(statement)


def insert(db: sqlite3.Connection, table: str, *keys: str | int, body: Any = None) -> None:
    """Insert a row; `body` is the record of a table that has bodies. Raises sqlite3.IntegrityError if it exists."""
    _write(db, "INSERT", table, keys, body)


def put(db: sqlite3.Connection, table: str, *keys: str | int, body: Any = None) -> None:
    """Insert a row, or replace the one with the same key; `body` is as above."""
    _write(db, "INSERT OR REPLACE", table, keys, body)


def _write(db: sqlite3.Connection, statement: str, table: str, keys: tuple[str | int, ...], body: Any) -> None:
    row: dict[str, Any] = dict(zip(KEYS[table], keys, strict=True)) | {"crc": crc_of(*keys)}
    if table not in WITHOUT_BODY:
        row["body"] = sealed(_encode(body))
    marks = ", ".join("?" * len(row))
    db.execute(f"{statement} INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
