"""The file of the embedded prediction log: made once, checked before it is written, not confused with another file."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from parivision_core.checksums import crc_of, damage_of
from parivision_core.problems import StoreError

FORMAT = 4
BUSY_SECONDS = 30
"""How long a write waits for other processes, whose writes take milliseconds."""
CACHE_KB, LARGE_CACHE_KB = 2_000, 32_000
"""Page cache of a connection, and the one for large writes."""

# Ids ascend, so that new calls come at the end of a table that is sorted by them, without a separate index.
_DAYS = "CREATE TABLE days (day TEXT PRIMARY KEY, appends INTEGER NOT NULL) WITHOUT ROWID"
_SETTLED = """
CREATE TABLE settled (id TEXT NOT NULL, row INTEGER NOT NULL, key TEXT NOT NULL, PRIMARY KEY (id, row)) WITHOUT ROWID;
CREATE INDEX settled_keys ON settled (key);
"""
_TABLES = f"""
CREATE TABLE pairs (
    n INTEGER PRIMARY KEY, version INTEGER NOT NULL, sha256 TEXT NOT NULL, stamp TEXT NOT NULL, schema TEXT NOT NULL,
    UNIQUE (version, sha256, stamp, schema));
CREATE TABLE calls (
    id TEXT PRIMARY KEY, content TEXT NOT NULL, request BLOB NOT NULL, probability BLOB NOT NULL,
    features BLOB NOT NULL, pair INTEGER NOT NULL, latency_us INTEGER NOT NULL, caller TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE deleted (id TEXT NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (id, row)) WITHOUT ROWID;
CREATE TABLE outcomes (
    id TEXT NOT NULL, row INTEGER NOT NULL, made INTEGER NOT NULL, source TEXT NOT NULL, reported_at INTEGER NOT NULL,
    PRIMARY KEY (id, row)) WITHOUT ROWID;
CREATE TABLE awaited (id TEXT NOT NULL, row INTEGER NOT NULL, key TEXT NOT NULL, PRIMARY KEY (id, row)) WITHOUT ROWID;
CREATE INDEX awaited_keys ON awaited (key);
{_DAYS};
{_SETTLED}"""
CHECKED = {
    "pairs": "version, sha256, stamp, schema",
    "calls": "id, content, request, probability, features, pair, latency_us, caller",
    "deleted": "id, row",
    "outcomes": "id, row, made, source, reported_at",
    "days": "day, appends",
}
"""Table -> the columns whose checksum its rows have, in `crc`; it is NULL in rows of earlier formats. Rows of `awaited`
and `settled` have none: they are in an index too, and SQLite notices when both differ."""
_CHECKSUMS = "".join(f"ALTER TABLE {table} ADD COLUMN crc INTEGER;\n" for table in CHECKED)
_UPGRADES = {1: _DAYS, 2: _CHECKSUMS, 3: _SETTLED}
"""Format -> the statements that upgrade a file to the next format."""

log = logging.getLogger(__name__)

FileIdentity = tuple[int, int]
"""Device and inode of a file, which differ from those of another file with the same name."""


@dataclass(frozen=True)
class _Opened:
    db: sqlite3.Connection
    file: FileIdentity
    log: FileIdentity | None
    """That of the write-ahead log (-wal), which exists as long as any process has the file open."""


class SqliteFile:
    """Connections to one file, each for one thread at a time. What is committed is on disk (synchronous FULL)."""

    def __init__(self, path: Path) -> None:
        """Raises StoreError when the file can't be made or opened, or isn't a prediction log of this version."""
        self.path = path
        self._log, self._shared = (path.with_name(path.name + ending) for ending in ("-wal", "-shm"))
        # Kept open: opening costs as much as writing many calls, and closing the last one merges the write-ahead log.
        self._idle: list[_Opened] = []
        self._sound: tuple[FileIdentity | None, int] = None, 0
        """The file that was looked through, and its size when it was used last: it only grows."""
        self._checking = threading.Lock()
        try:
            if not path.exists():
                self._create()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"can't make the prediction log {path}: {error}; check the folder's permissions and disk"
            ) from error
        with self.connection():
            pass

    def _create(self) -> None:
        """Make the tables in a file that is renamed last, so that other processes see all of it or nothing."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            if self.path.exists():
                return
            if self._log.exists() or self._shared.exists():
                # SQLite would merge the rows of that write-ahead log into the new file.
                raise StoreError(
                    f"no prediction log can be made at {self.path} while {self._log.name} or {self._shared.name} "
                    "lies there: they belong to a prediction log that was moved away or removed, and hold its last "
                    "predictions. Stop the service and move both to that prediction log, under its name; delete them "
                    "if it is gone for good"
                )
            partial = self.path.with_name(f"{self.path.name}.partial")
            for ending in ("", "-wal", "-shm", "-journal"):
                partial.with_name(partial.name + ending).unlink(missing_ok=True)
            with closing(sqlite3.connect(partial)) as db:
                db.execute("PRAGMA page_size = 16384")  # a call has 700 bytes: fewer pages are written
                db.executescript(f"{_TABLES}{_CHECKSUMS}PRAGMA user_version = {FORMAT}")
                db.execute("PRAGMA journal_mode = WAL")
            partial.replace(self.path)
            os.fsync(folder)  # the name must survive a crash, too
            log.info("no prediction log lay at %s; a new one was made", self.path)
        finally:
            os.close(folder)

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for this thread alone; one that failed isn't used again."""
        try:
            opened = self._take()
            try:
                yield opened.db
            except BaseException:
                opened.db.close()
                raise
            self._idle.append(opened)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise StoreError(self._explained(error)) from error

    @contextmanager
    def transaction(self, *, large: bool = False) -> Iterator[sqlite3.Connection]:
        """One write: all of it or, after an error, nothing. A large one gets a larger cache.

        Raises StoreError for a damaged file, so that nothing is promised that couldn't be read again.
        """
        self.check()
        with self.connection() as db:
            if large:
                db.execute(f"PRAGMA cache_size = -{LARGE_CACHE_KB}")
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
            if large:
                db.execute(f"PRAGMA cache_size = -{CACHE_KB}")

    def check(self) -> None:
        """Look through the whole file, if that wasn't done yet or the file has become smaller.

        Raises StoreError when it is damaged: pages that don't fit together, or rows that aren't as they were written.
        """
        with self._checking:
            try:
                found = self.path.stat()
            except OSError:
                return  # whoever uses the file reports it
            here, size = (found.st_dev, found.st_ino), found.st_size
            if here != self._sound[0] or size < self._sound[1]:
                self._look_through()
            self._sound = here, size

    def require(self, sound: object) -> None:
        """Raise StoreError unless a row that was read has the checksum with which it was written."""
        if not sound:
            raise StoreError(f"the prediction log {self.path} is damaged: a row was changed; {self._way_out()}")

    def _look_through(self) -> None:
        with self.connection() as db:
            damage = damage_of(db)
            for table, columns in CHECKED.items():
                changed_rows = f"SELECT count(*) FROM {table} WHERE crc <> crc({columns})"  # nosec  # B608: CHECKED
                (changed,) = db.execute(changed_rows).fetchone()
                damage += [f"{changed} rows of {table} were changed"] if changed else []
        if damage:
            raise StoreError(f"the prediction log {self.path} is damaged ({'; '.join(damage)}); {self._way_out()}")

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().db.close()

    def _take(self) -> _Opened:
        """An idle or new connection to the file that has the name now; one to a replaced file would lose its writes."""
        here = _identity(self.path)
        while self._idle:
            try:
                opened = self._idle.pop()
            except IndexError:  # another thread took it
                break
            if opened.file == here:
                return opened
            if opened.log is not None and opened.log == _identity(self._log):
                self._idle.append(opened)  # it knows the file of this log
                raise StoreError(
                    f"the prediction log {self.path} was moved away, but its {self._log.name} still lies here; stop "
                    f"the service and move {self._log.name} and {self._shared.name} to it, under its name, before "
                    "another prediction log takes its place"
                )
            opened.db.close()
        if here is None:
            raise StoreError(
                f"the prediction log {self.path} is gone or can't be seen; put it back, or restart the service, which "
                "makes a new one"
            )
        return self._connect(here)

    def _connect(self, file: FileIdentity) -> _Opened:
        """Open the file. If another one took its place meanwhile, the next `_take` notices and opens that."""
        address = (
            f"{self.path.absolute().as_uri()}?mode=rw"  # rw doesn't make a missing file, which would have no tables
        )
        db = sqlite3.connect(address, BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)
        try:
            db.execute("PRAGMA synchronous = FULL")
            db.execute(f"PRAGMA cache_size = -{CACHE_KB}")
            db.create_function("crc", -1, crc_of, deterministic=True)
            self._upgrade(db)
        except BaseException:
            db.close()
            raise
        return _Opened(db, file, _identity(self._log))

    def _upgrade(self, db: sqlite3.Connection) -> None:
        """Upgrade a file of an earlier format. Raises StoreError for an unknown format."""
        found = _format(db)
        if found in _UPGRADES:
            db.execute("BEGIN IMMEDIATE")
            while (found := _format(db)) in _UPGRADES:
                for statement in _UPGRADES[found].split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {found + 1}")
            db.execute("COMMIT")
        if found != FORMAT:
            raise StoreError(
                f"the prediction log {self.path} has format {found}, this version writes format {FORMAT}; run the "
                f"version that made it, or {self._put_away()}"
            )

    def _explained(self, error: Exception) -> str:
        # The lowest byte is the primary code; the upper ones only refine it.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return (
                f"another process has held the lock of the prediction log {self.path} for more than {BUSY_SECONDS:g} s "
                f"({error}); wait for it, or end it: `fuser {self.path}` shows which processes have the file open"
            )
        return (
            f"the prediction log {self.path} can't be read or written: {error}; free some space and check the file's "
            f"permissions; if it is damaged, {self._way_out()}"
        )

    def _way_out(self) -> str:
        return f"{self._put_away()}, or restore it from a backup"

    def _put_away(self) -> str:
        return (
            f"stop the service and move it away together with its {self._log.name} and {self._shared.name}, so that "
            "the next start makes a new one"
        )


def _format(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _identity(path: Path) -> FileIdentity | None:
    """The file that has this name; None if none can be found."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
