"""The embedded store: Parquet files published by renaming, and a SQLite file whose transactions commit."""

from __future__ import annotations

import fcntl
import glob
import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from parivision_core.problems import StoreError
from parivision_core.records import Failure, FeatureStateRecord, Links, Manifest, Quarantined, Verdict
from parivision_core.store import meta_file
from parivision_core.store.base import (
    CURRENT_FEATURE_STATE,
    INGEST,
    NOTHING,
    UNLINKED,
    WAREHOUSE,
    Store,
    WarehouseState,
    narrowed,
)
from parivision_core.store.checks import check_part, check_shots, check_targets
from parivision_core.store.links import ADDRESS, Hides, PackedRows, packed_hides, packed_repeats, unpacked, without
from parivision_core.store.meta_file import FORMAT, MetaFile, insert, put
from parivision_core.store.parquet import FOLD_AGAIN, read, rows_in, write, written_anew
from parivision_core.store.shots import LakeFiles, ShotQuery

if TYPE_CHECKING:
    import pyarrow as pa


class FileStore(Store):
    """A store in one folder. Any number of processes on the machine may read and write it."""

    def __init__(self, folder: Path, lake: str = "lake", warehouse: str = "warehouse") -> None:
        self.folder = folder
        self._lake = folder / lake
        self._warehouse = folder / warehouse
        self._searched = LakeFiles(self._lake)
        self._meta = MetaFile(folder / "meta.sqlite")
        try:
            if not self._meta.path.exists():
                self._require_none()
                self._create()
            self._meta.check()
            while (found := self._meta.format()) in meta_file.EARLIER:
                if found == meta_file.UNCHECKED:
                    self._add_checksums()
                else:
                    self._meta.add_links()
        except (OSError, StoreError) as error:
            raise StoreError(
                f"can't open the store in {folder}: {error}; check the folder's permissions and disk"
            ) from error
        if found != FORMAT:
            raise StoreError(
                f"the store in {folder} has format {found}, this version writes format {FORMAT}; "
                "move the folder away (its source files can be ingested again) or run the version that made it"
            )

    def _require_none(self) -> None:
        """Raise StoreError when files of shots lie here: an empty store in their place would hide that they're lost."""
        left = any(next(folder.glob("*.parquet"), None) for folder in (self._lake, self._warehouse))
        if left and not self._meta.path.exists():  # which another process may just have made
            raise StoreError(
                f"{self._meta.path} is gone, although files of shots lie beside it; restore it from a backup, or move "
                "the folder away and ingest the source files again"
            )

    def _create(self) -> None:
        """Make folders and tables."""
        self._lake.mkdir(parents=True, exist_ok=True)
        self._warehouse.mkdir(parents=True, exist_ok=True)
        with self.exclusive("create"):
            if not self._meta.path.exists():
                self._meta.create()

    def _add_checksums(self) -> None:
        """Write files and rows of the format before checksums anew, as they are; the old files are removed last."""
        with self.exclusive(INGEST), self.exclusive(WAREHOUSE):
            if self._meta.format() != meta_file.UNCHECKED:  # another process was faster
                return
            old = [file for folder in (self._lake, self._warehouse) for file in folder.glob("*.parquet")]
            self._meta.add_checksums({file.name: written_anew(file) for file in old})
            for file in old:
                file.unlink()

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

    def commit_batch(
        self, manifest: Manifest, shots: pa.Table, quarantined: Sequence[Quarantined], links: Links = UNLINKED
    ) -> None:
        """See Store. The Parquet file is invisible until the transaction that holds the manifest."""
        check_shots(manifest, shots, links)
        file = write(self._lake, manifest.batch_id, shots)
        try:
            with self._meta.transaction() as db:
                known = db.execute("SELECT 1 FROM manifests WHERE batch_id = ?", (manifest.batch_id,)).fetchone()
                if known:
                    raise StoreError(f"batch {manifest.batch_id} is committed already")
                if links != UNLINKED:
                    check_targets(manifest, links, (row[0] for row in db.execute("SELECT batch_id FROM manifests")))
                insert(db, "manifests", manifest.batch_id, file.name, body=manifest)
                for row in quarantined:
                    insert(db, "quarantine", row.batch_id, row.row, body=row)
                for table, packed in (("hides", packed_hides(links)), ("repeats", packed_repeats(links))):
                    for other, rows in packed.items():
                        insert(db, table, manifest.batch_id, other, body=rows)
                db.execute("DELETE FROM failures WHERE fingerprint = ?", (manifest.fingerprint,))
        except StoreError:
            file.unlink(missing_ok=True)
            raise
        for left in self._lake.glob(f"{glob.escape(manifest.batch_id)}-????????.p*"):
            if left != file:  # left by an attempt that was killed
                left.unlink(missing_ok=True)

    def manifests(self) -> list[Manifest]:
        """See Store."""
        return [manifest for _, _, manifest in self._manifests()]

    def _manifests(self) -> list[tuple[str, str, Manifest]]:
        """Id, file and manifest of each batch, in the order of their commit."""
        return self._meta.records("manifests", Manifest, "ORDER BY n")

    def _hides(self, listed: Sequence[tuple[str, str, Manifest]]) -> Hides:
        """Which rows of the listed batches don't stand."""
        numbers = {batch: n for n, (batch, _, _) in enumerate(listed)}

        def read() -> Iterator[tuple[int, str, PackedRows]]:
            for batch, other, rows in self._meta.records("hides", PackedRows):
                if batch in numbers:  # else it was committed after the list was read
                    yield numbers[batch], other, rows

        return Hides(((n, manifest) for n, (_, _, manifest) in enumerate(listed)), read)

    def stored(
        self, batch_id: str, days: Collection[str] | None = None, columns: Sequence[str] | None = None
    ) -> tuple[pa.Table, Links]:
        """See Store."""
        found = self._meta.keys("manifests", "WHERE batch_id = ?", batch_id)
        if not found:
            raise StoreError(f"there is no batch {batch_id}")
        hides, repeats = (
            [row[1:] for row in self._meta.records(table, PackedRows, "WHERE batch_id = ? ORDER BY rowid", batch_id)]
            for table in ("hides", "repeats")
        )
        return read(self._lake / found[0][1], columns, days=days), unpacked(hides, repeats)

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
        listed = self._manifests()
        hides = self._hides(listed)
        for n, (_, file, manifest) in enumerate(listed):
            if batch in (None, manifest.batch_id) and manifest.overlaps(since, until):
                hidden = hides.of(n, manifest)
                added = [name for name in ADDRESS if name not in columns] if columns and hidden else []
                table = read(self._lake / file, [*columns, *added] if columns else None, since, until, days)
                yield without(table, hidden).drop_columns(added) if hidden else table

    def find_shots(self, query: ShotQuery, limit: int, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """See Store. Files that were read stay in memory, up to a limit."""
        listed = self._manifests()
        files = {file: (n, manifest) for n, (_, file, manifest) in enumerate(listed)}
        return self._searched.find(files, self._hides(listed), query, limit, columns)

    def quarantine(self, batch_id: str | None = None) -> list[Quarantined]:
        """See Store."""
        wanted = "WHERE ?1 IS NULL OR batch_id = ?1 ORDER BY batch_id, row"
        return [row[-1] for row in self._meta.records("quarantine", Quarantined, wanted, batch_id)]

    def record_failure(self, fingerprint: str, batch_id: str, error: str, rejected_by: str = "") -> Failure:
        """See Store."""
        with self._meta.transaction() as db:
            known = self._meta.records("failures", Failure, "WHERE fingerprint = ?", fingerprint)
            failure = Failure(
                fingerprint=fingerprint,
                batch_id=batch_id,
                attempts=(known[0][-1].attempts if known else 0) + 1,
                error=error,
                rejected_by=rejected_by,
            )
            put(db, "failures", fingerprint, body=failure)
        return failure

    def failures(self) -> list[Failure]:
        """See Store."""
        return [failure for _, failure in self._meta.records("failures", Failure)]

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
        listed = {name: (files.split(), rows) for name, files, rows in self._meta.keys("parts")}
        files = {name: ([write(self._warehouse, name, table).name], table.num_rows) for name, table in parts.items()}
        for name, table in grown.items():
            before, rows = listed[name]
            files[name] = (self._lengthen(name, before, table), rows + table.num_rows)
        with self._meta.transaction() as db:
            for name, (pieces, rows) in files.items():
                put(db, "parts", name, " ".join(pieces), rows)
            for name, feature_state in feature_states.items():
                put(db, "feature_states", name, feature_state.stamp, body=feature_state)
            put(db, "meta", "warehouse", msgspec.json.encode(state).decode())
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
            table = pa.concat_tables([read(self._warehouse / files.pop(), None, remedy=FOLD_AGAIN), table])
        return [*files, write(self._warehouse, name, table).name]

    def warehouse(self, columns: Sequence[str] | None = None, parts: Sequence[str] | None = None) -> pa.Table:
        """See Store. Starts over when publications removed a file meanwhile."""
        import pyarrow as pa  # noqa: PLC0415 - the service opens a store without Arrow

        files = self._pieces(parts)
        while True:
            try:
                tables = [read(self._warehouse / file, columns, remedy=FOLD_AGAIN) for file in files]
            except StoreError:
                before, files = files, self._pieces(parts)
                if files == before:
                    raise
            else:
                return pa.concat_tables(tables) if tables else pa.table({})

    def _pieces(self, parts: Sequence[str] | None) -> list[str]:
        """Names of the files of the given parts, in their order."""
        listed = self._meta.keys("parts", "ORDER BY name")
        return [file for name, pieces, _ in listed if parts is None or name in parts for file in pieces.split()]

    def warehouse_parts(self) -> dict[str, int]:
        """See Store."""
        return {name: rows for name, _, rows in self._meta.keys("parts", "ORDER BY name") if rows}

    def warehouse_state(self) -> WarehouseState:
        """See Store."""
        row = self._meta.keys("meta", "WHERE key = 'warehouse'")
        return msgspec.json.decode(row[0][1], type=WarehouseState) if row else WarehouseState()

    def get_feature_state(self, name: str = CURRENT_FEATURE_STATE) -> FeatureStateRecord | None:
        """See Store."""
        row = self._meta.records("feature_states", FeatureStateRecord, "WHERE name = ?", name)
        return row[0][-1] if row else None

    def feature_state_names(self) -> list[str]:
        """See Store."""
        return [name for name, _ in self._meta.keys("feature_states", "ORDER BY name")]

    def feature_state_stamp(self, name: str = CURRENT_FEATURE_STATE) -> str | None:
        """See Store."""
        row = self._meta.keys("feature_states", "WHERE name = ?", name)
        return row[0][1] if row else None

    # Verdicts

    def put_verdict(self, verdict: Verdict) -> None:
        """See Store."""
        with self._meta.transaction() as db:
            insert(db, "verdicts", verdict.candidate, body=verdict)

    def verdicts(self, candidate: int | None = None, limit: int | None = None) -> list[Verdict]:
        """See Store."""
        wanted = "WHERE ?1 IS NULL OR candidate = ?1 ORDER BY n DESC LIMIT ?2"
        rows = self._meta.records("verdicts", Verdict, wanted, candidate, -1 if limit is None else limit)
        return [verdict for _, verdict in rows]
