"""The embedded store: Parquet files published by renaming, and a SQLite file whose transactions commit."""

from __future__ import annotations

import fcntl
import glob
import os
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from parivision_core.problems import StoreError
from parivision_core.records import Failure, FeatureStateRecord, Manifest, Quarantined, Verdict
from parivision_core.store.base import CURRENT_FEATURE_STATE, NOTHING, Store, WarehouseState, narrowed
from parivision_core.store.checks import check_part, check_shots
from parivision_core.store.parquet import read, rows_in, write
from parivision_core.store.shots import LakeFiles, ShotQuery

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = "2"

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS manifests (
    n INTEGER PRIMARY KEY, batch_id TEXT UNIQUE NOT NULL, file TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS quarantine (
    batch_id TEXT NOT NULL, row INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (batch_id, row));
CREATE TABLE IF NOT EXISTS failures (fingerprint TEXT PRIMARY KEY, body BLOB NOT NULL);
-- A part lies in one or more files, whose names are separated by spaces.
CREATE TABLE IF NOT EXISTS parts (name TEXT PRIMARY KEY, file TEXT NOT NULL, rows INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS feature_states (name TEXT PRIMARY KEY, stamp TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS verdicts (n INTEGER PRIMARY KEY, candidate INTEGER NOT NULL, body BLOB NOT NULL);
"""

_encode = msgspec.msgpack.Encoder().encode


class FileStore(Store):
    """A store in one folder. Any number of processes on the machine may read and write it."""

    def __init__(self, folder: Path, lake: str = "lake", warehouse: str = "warehouse") -> None:
        self.folder = folder
        self._lake = folder / lake
        self._warehouse = folder / warehouse
        self._searched = LakeFiles(self._lake)
        try:
            if not (folder / "meta.sqlite").exists():
                self._create()
            found = self._query("SELECT value FROM meta WHERE key = 'format'")[0][0]
        except (OSError, sqlite3.Error, StoreError) as error:
            raise StoreError(
                f"can't open the store in {folder}: {error}; check the folder's permissions and disk"
            ) from error
        if found != FORMAT:
            raise StoreError(
                f"the store in {folder} has format {found}, this version writes format {FORMAT}; "
                "move the folder away (its source files can be ingested again) or run the version that made it"
            )

    def _create(self) -> None:
        """Make folders and tables, in a file that is renamed last, so that other processes see all of it or nothing."""
        self._lake.mkdir(parents=True, exist_ok=True)
        self._warehouse.mkdir(parents=True, exist_ok=True)
        with self.exclusive("create"):
            if (self.folder / "meta.sqlite").exists():
                return
            partial = self.folder / "meta.sqlite.partial"
            partial.unlink(missing_ok=True)
            db = sqlite3.connect(partial)
            db.executescript(_TABLES)
            db.execute("INSERT INTO meta VALUES ('format', ?)", (FORMAT,))
            db.commit()
            db.execute("PRAGMA journal_mode = WAL")
            db.close()
            partial.replace(self.folder / "meta.sqlite")

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.folder / "meta.sqlite", timeout=60, isolation_level=None)) as db:
                db.execute("PRAGMA synchronous = FULL")
                yield db
        except sqlite3.Error as error:
            raise StoreError(
                f"{self.folder / 'meta.sqlite'} can't be read or written: {error}; free some space, check the folder's "
                "permissions, or restore it from a backup"
            ) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connect() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                if db.in_transaction:  # SQLite has rolled back by itself if the disk is full
                    db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def _query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self._connect() as db:
            return db.execute(sql, parameters).fetchall()

    @contextmanager
    def exclusive(self, name: str, wait_seconds: float = 600) -> Iterator[None]:
        """See Store. A file lock of the kernel, which ends with its process."""
        path = self.folder / f"{name}.lock"
        give_up = time.monotonic() + wait_seconds
        with path.open("a+") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > give_up:
                        file.seek(0)
                        raise StoreError(
                            f"the lock {name} has been held by process {file.read() or 'unknown'} for over "
                            f"{wait_seconds:g} s; wait for it, or end that process"
                        ) from None
                    time.sleep(0.05)
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    # Lake

    def commit_batch(self, manifest: Manifest, shots: pa.Table, quarantined: Sequence[Quarantined]) -> None:
        """See Store. The Parquet file is invisible until the transaction that holds the manifest."""
        check_shots(shots)
        file = write(self._lake, manifest.batch_id, shots)
        try:
            with self._transaction() as db:
                known = db.execute("SELECT 1 FROM manifests WHERE batch_id = ?", (manifest.batch_id,)).fetchone()
                if known:
                    raise StoreError(f"batch {manifest.batch_id} is committed already")
                db.execute(
                    "INSERT INTO manifests (batch_id, file, body) VALUES (?, ?, ?)",
                    (manifest.batch_id, file.name, _encode(manifest)),
                )
                db.executemany(
                    "INSERT INTO quarantine VALUES (?, ?, ?)",
                    ((q.batch_id, q.row, _encode(q)) for q in quarantined),
                )
                db.execute("DELETE FROM failures WHERE fingerprint = ?", (manifest.fingerprint,))
        except StoreError:
            file.unlink(missing_ok=True)
            raise
        for left in self._lake.glob(f"{glob.escape(manifest.batch_id)}-????????.p*"):
            if left != file:  # left by an attempt that was killed
                left.unlink(missing_ok=True)

    def manifests(self) -> list[Manifest]:
        """See Store."""
        return [_decode(body, Manifest) for (body,) in self._query("SELECT body FROM manifests ORDER BY n")]

    def scan(
        self,
        columns: Sequence[str] | None = None,
        since: str | None = None,
        until: str | None = None,
        *,
        days: Collection[str] | None = None,
        batch: str | None = None,
    ) -> Iterator[pa.Table]:
        """See Store. A piece is a batch; only files whose dates overlap are opened."""
        since, until = narrowed(since, until, days)
        for file, body in self._query("SELECT file, body FROM manifests ORDER BY n"):
            manifest = _decode(body, Manifest)
            if batch in (None, manifest.batch_id) and manifest.overlaps(since, until):
                yield read(self._lake / file, columns, since, until, days)

    def find_shots(self, query: ShotQuery, limit: int, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """See Store. Files that were read stay in memory, up to a limit."""
        listed = self._query("SELECT file, body FROM manifests ORDER BY n")
        batches = [(file, _decode(body, Manifest)) for file, body in listed]
        return self._searched.find(batches, query, limit, columns)

    def quarantine(self, batch_id: str | None = None) -> list[Quarantined]:
        """See Store."""
        rows = self._query(
            "SELECT body FROM quarantine WHERE ?1 IS NULL OR batch_id = ?1 ORDER BY batch_id, row", batch_id
        )
        return [_decode(body, Quarantined) for (body,) in rows]

    def record_failure(self, fingerprint: str, batch_id: str, error: str, rejected_by: str = "") -> Failure:
        """See Store."""
        with self._transaction() as db:
            row = db.execute("SELECT body FROM failures WHERE fingerprint = ?", (fingerprint,)).fetchone()
            attempts = _decode(row[0], Failure).attempts if row else 0
            failure = Failure(
                fingerprint=fingerprint, batch_id=batch_id, attempts=attempts + 1, error=error, rejected_by=rejected_by
            )
            db.execute("INSERT OR REPLACE INTO failures VALUES (?, ?)", (fingerprint, _encode(failure)))
        return failure

    def failures(self) -> list[Failure]:
        """See Store."""
        return [_decode(body, Failure) for (body,) in self._query("SELECT body FROM failures")]

    # Warehouse and feature state

    def publish_warehouse(
        self,
        parts: Mapping[str, pa.Table],
        state: WarehouseState,
        feature_states: Mapping[str, FeatureStateRecord],
        grown: Mapping[str, pa.Table] = NOTHING,
    ) -> None:
        """See Store. Replaced files stay for current readers until the next publication."""
        for name, table in [*parts.items(), *grown.items()]:
            check_part(name, table)
        listed = {name: (files.split(), rows) for name, files, rows in self._query("SELECT * FROM parts")}
        files = {name: ([write(self._warehouse, name, table).name], table.num_rows) for name, table in parts.items()}
        for name, table in grown.items():
            before, rows = listed[name]
            files[name] = (self._lengthen(name, before, table), rows + table.num_rows)
        with self._transaction() as db:
            for name, (pieces, rows) in files.items():
                db.execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?)", (name, " ".join(pieces), rows))
            for name, feature_state in feature_states.items():
                db.execute(
                    "INSERT OR REPLACE INTO feature_states VALUES (?, ?, ?)",
                    (name, feature_state.stamp, _encode(feature_state)),
                )
            db.execute("INSERT OR REPLACE INTO meta VALUES ('warehouse', ?)", (msgspec.json.encode(state).decode(),))
        keep = {file for pieces, _ in [*listed.values(), *files.values()] for file in pieces}
        for old in self._warehouse.glob("*.parquet"):
            if old.name not in keep:
                old.unlink(missing_ok=True)

    def _lengthen(self, name: str, files: list[str], table: pa.Table) -> list[str]:
        """Append rows to a part; returns its new list of files.

        Its last files are rewritten together with the rows as long as they are small, so that a part that grows day by
        day consists of a handful of files, and each row is written only a few times.
        """
        import pyarrow as pa  # noqa: PLC0415 - the service opens a store without Arrow

        while files and rows_in(self._warehouse / files[-1]) <= 2 * table.num_rows:
            table = pa.concat_tables([read(self._warehouse / files.pop(), None), table])
        return [*files, write(self._warehouse, name, table).name]

    def warehouse(self, columns: Sequence[str] | None = None, parts: Sequence[str] | None = None) -> pa.Table:
        """See Store. Starts over when publications removed a file meanwhile."""
        import pyarrow as pa  # noqa: PLC0415 - the service opens a store without Arrow

        files = self._pieces(parts)
        while True:
            try:
                tables = [read(self._warehouse / file, columns) for file in files]
            except StoreError:
                before, files = files, self._pieces(parts)
                if files == before:
                    raise
            else:
                return pa.concat_tables(tables) if tables else pa.table({})

    def _pieces(self, parts: Sequence[str] | None) -> list[str]:
        """Names of the files of the given parts, in their order."""
        listed = self._query("SELECT name, file FROM parts ORDER BY name")
        return [file for name, pieces in listed if parts is None or name in parts for file in pieces.split()]

    def warehouse_parts(self) -> dict[str, int]:
        """See Store."""
        return dict(tuple(row) for row in self._query("SELECT name, rows FROM parts ORDER BY name"))

    def warehouse_state(self) -> WarehouseState:
        """See Store."""
        row = self._query("SELECT value FROM meta WHERE key = 'warehouse'")
        return msgspec.json.decode(row[0][0], type=WarehouseState) if row else WarehouseState()

    def get_feature_state(self, name: str = CURRENT_FEATURE_STATE) -> FeatureStateRecord | None:
        """See Store."""
        row = self._query("SELECT body FROM feature_states WHERE name = ?", name)
        return _decode(row[0][0], FeatureStateRecord) if row else None

    def feature_state_names(self) -> list[str]:
        """See Store."""
        return [name for (name,) in self._query("SELECT name FROM feature_states ORDER BY name")]

    def feature_state_stamp(self, name: str = CURRENT_FEATURE_STATE) -> str | None:
        """See Store."""
        row = self._query("SELECT stamp FROM feature_states WHERE name = ?", name)
        return row[0][0] if row else None

    # Verdicts

    def put_verdict(self, verdict: Verdict) -> None:
        """See Store."""
        with self._transaction() as db:
            db.execute("INSERT INTO verdicts (candidate, body) VALUES (?, ?)", (verdict.candidate, _encode(verdict)))

    def verdicts(self, candidate: int | None = None, limit: int | None = None) -> list[Verdict]:
        """See Store."""
        rows = self._query(
            "SELECT body FROM verdicts WHERE ?1 IS NULL OR candidate = ?1 ORDER BY n DESC LIMIT ?2",
            candidate,
            -1 if limit is None else limit,
        )
        return [_decode(body, Verdict) for (body,) in rows]


def _decode(body: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise StoreError(f"a {kind.__name__} in the store is damaged or of another version: {error}") from error
