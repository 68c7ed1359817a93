"""The store on MongoDB: any number of processes on any number of machines may read and write it.

Nothing here needs a transaction, so it also runs on a server that isn't a replica set. A batch's shots carry the number
of its commit, and readers take only numbers whose manifest is committed. The warehouse works likewise: one document
points to its parts and feature states.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pymongo import ReadPreference
from pymongo.database import Database

from parivision_core.problems import ConfigurationError, LockLostError, StoreError
from parivision_core.records import Failure, FeatureStateRecord, Links, Manifest, Quarantined, Verdict, now_ms
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
from parivision_core.store.checks import check_part, check_shots
from parivision_core.store.mongo.commits import LOCATED, Commits, hidden_of, next_number, numbers, standing, upserted
from parivision_core.store.mongo.connection import Document, explained
from parivision_core.store.mongo.documents import (
    LARGEST,
    PIECE,
    check_sizes,
    document_of,
    record_of,
    schema_of,
    tables,
    too_large,
)
from parivision_core.store.mongo.lease import lease
from parivision_core.store.mongo.schema import Index, prepare
from parivision_core.store.mongo.shots import newest
from parivision_core.store.mongo.warehouse import Warehouse
from parivision_core.store.shots import ShotQuery

if TYPE_CHECKING:
    import pyarrow as pa


class MongoStore(Store):
    """The store of one sport in a database; nothing is sent before the first use."""

    def __init__(
        self, database: Database[Document], lake: str = "lake", warehouse: str = "warehouse", prefix: str = ""
    ) -> None:
        """`lake` and `warehouse` name the collections of shots and features; all others begin with `prefix`.

        Raises ConfigurationError when the database is configured not to confirm writes.
        """
        if not database.write_concern.acknowledged:
            raise ConfigurationError("w=0 would lose shots silently; remove it from PARIVISION_MONGO_URL")
        # A member that lags behind would show, and have us remove, outdated documents.
        database = database.with_options(read_preference=ReadPreference.PRIMARY)
        self._meta = database[prefix + "meta"]
        self._locks = database[prefix + "locks"]
        self._commits = Commits(
            self._meta,
            database[prefix + "manifests"],
            database[lake],
            database[prefix + "quarantine"],
            database[prefix + "links"],
        )
        self._failures = database[prefix + "failures"]
        self._verdicts = database[prefix + "verdicts"]
        self._warehouse = Warehouse(database, self._meta, warehouse, prefix + "feature_states")
        self._held: dict[str, Document] = {}
        self._prepared = False
        self._preparing = threading.Lock()

    def _prepare(self) -> None:
        with self._preparing:
            if not self._prepared:
                commits, rows = self._commits, self._warehouse.rows
                feature_states = self._warehouse.feature_states
                prepare(
                    self._meta,
                    [commits.lake, rows],
                    [
                        Index(commits.manifests, ("batch_id",), unique=True),
                        Index(commits.manifests, ("fingerprint",), unique=True),
                        Index(commits.lake, ("_n",)),
                        Index(commits.lake, ("game_date",)),
                        Index(commits.quarantine, ("_n",)),
                        Index(commits.links, ("_n",)),
                        Index(rows, ("_part", "_v")),
                        Index(rows, ("_v",)),
                        Index(feature_states, ("name", "_v")),
                        Index(feature_states, ("_v",)),
                    ],
                )
                self._prepared = True

    @contextmanager
    def _ready(self) -> Iterator[None]:
        """Check the database once; errors of pymongo within become a StoreError."""
        with explained():
            self._prepare()
            yield

    @contextmanager
    def exclusive(self, name: str, wait_seconds: float = 600) -> Iterator[None]:
        """See Store. The lock of a dead process is taken over after half a minute."""
        with explained():
            self._prepare()
        with lease(self._locks, name, wait_seconds) as mine:
            self._held[name] = mine
            try:
                yield
            finally:
                del self._held[name]

    # Lake

    def commit_batch(
        self, manifest: Manifest, shots: pa.Table, quarantined: Sequence[Quarantined], links: Links = UNLINKED
    ) -> None:
        """See Store. The manifest is there from the start with the state `open`; changing that is the commit."""
        check_shots(manifest, shots, links)
        check_sizes(shots)
        for q in quarantined:
            if len(q.raw) * 4 > LARGEST and (size := len(q.raw.encode())) > LARGEST:
                raise StoreError(too_large(f"row {q.row} of {q.batch_id}", size))
        with self._ready():
            self._check_lock(INGEST)
            self._commits.write(manifest, shots, quarantined, links)
            self._failures.delete_one({"_id": manifest.fingerprint})

    def _check_lock(self, name: str) -> None:
        """Raise LockLostError when a lock that this store took was lost, for another process may hold it now."""
        mine = self._held.get(name)
        if mine is not None and self._locks.find_one(mine, {"_id": 1}) is None:
            raise LockLostError(
                f"the lock {name} was lost to another process, because this one was suspended; run again"
            )

    def manifests(self) -> list[Manifest]:
        """See Store."""
        with self._ready():
            return [manifest for _, manifest in self._commits.committed()]

    def stored(
        self, batch_id: str, days: Collection[str] | None = None, columns: Sequence[str] | None = None
    ) -> tuple[pa.Table, Links]:
        """See Store."""
        import pyarrow as pa  # noqa: PLC0415 - the service opens a store without Arrow

        with self._ready():
            found = [n for n, manifest in self._commits.committed() if manifest.batch_id == batch_id]
            if not found:
                raise StoreError(f"there is no batch {batch_id}")
            when = {} if days is None else {"game_date": {"$in": sorted(days)}}
            schema = schema_of(self._commits.columns(found), columns)
            shown = dict.fromkeys(("_n", *schema.names), 1)
            shots = self._commits.lake.find({"_n": found[0], **when}, shown, batch_size=PIECE)
            table = pa.concat_tables([schema.empty_table(), *tables(standing(shots, {}), schema)])
            return table, self._commits.links_of(found[0])

    def scan(
        self,
        columns: Sequence[str] | None = None,
        since: str | None = None,
        until: str | None = None,
        *,
        days: Collection[str] | None = None,
        batch: str | None = None,
    ) -> Iterator[pa.Table]:
        """See Store. A piece is some thousand documents."""
        with self._ready():
            committed = self._commits.committed()
            since, until = narrowed(since, until, days)
            chosen = [n for n, m in committed if batch in (None, m.batch_id) and m.overlaps(since, until)]
            if not chosen:
                return
            among = [(n, m) for n, m in committed if chosen[0] <= n <= chosen[-1]]
            query = numbers("_n", [n for n, _ in among])
            schema = schema_of(self._commits.columns(chosen), columns)
            when: Document = {"$gte": since} if since is not None else {}
            when |= {"$lte": until} if until is not None else {}
            when |= {"$in": sorted(days)} if days is not None else {}
            hides = self._commits.hides(committed)
            shown = [*schema.names, *(LOCATED if hides else ())]
            shots = self._commits.lake.find(
                {**query, "game_date": when} if when else query, dict.fromkeys(shown, 1), batch_size=PIECE
            )
            # The server chooses an index by a short trial, which misleads it when a season was ingested early.
            hinted = shots.hint([("game_date", 1)]) if when else shots
            yield from tables(standing(hinted, hidden_of(among, hides)) if hides else hinted, schema)

    def find_shots(self, query: ShotQuery, limit: int, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """See Store."""
        with self._ready():
            committed = self._commits.committed()
            chosen = [(n, manifest) for n, manifest in committed if query.may_match(manifest)]
            if not chosen:
                return []
            among = [(n, m) for n, m in committed if chosen[0][0] <= n <= chosen[-1][0]]
            hides = self._commits.hides(committed)
            return newest(
                self._commits.lake,
                numbers("_n", [n for n, _ in among]),
                [manifest for _, manifest in chosen],
                query,
                limit,
                columns,
                hidden_of(among, hides) if hides else None,
            )

    def quarantine(self, batch_id: str | None = None) -> list[Quarantined]:
        """See Store."""
        with self._ready():
            committed = [n for n, manifest in self._commits.committed() if batch_id in (None, manifest.batch_id)]
            if not committed:
                return []
            query = numbers("_n", committed) if batch_id is None else {"_n": committed[0]}
            rows = [record_of(document, Quarantined) for document in self._commits.quarantine.find(query)]
            return sorted(rows, key=lambda q: (q.batch_id, q.row))

    def record_failure(self, fingerprint: str, batch_id: str, error: str, rejected_by: str = "") -> Failure:
        """See Store."""
        with self._ready():
            fields = {
                "fingerprint": fingerprint,
                "batch_id": batch_id,
                "error": error,
                "rejected_by": rejected_by,
                "failed_at": now_ms(),
            }
            found = upserted(self._failures, fingerprint, {"$inc": {"attempts": 1}, "$set": fields})
            return record_of(found, Failure)

    def failures(self) -> list[Failure]:
        """See Store. Failures of committed batches are left out, even if the commit died before it deleted them."""
        with self._ready():
            failures = [record_of(document, Failure) for document in self._failures.find()]
            committed = {manifest.fingerprint for _, manifest in self._commits.committed()} if failures else set()
            return [failure for failure in failures if failure.fingerprint not in committed]

    # Warehouse and feature state

    def publish_warehouse(
        self,
        parts: Mapping[str, pa.Table],
        state: WarehouseState,
        feature_states: Mapping[str, FeatureStateRecord],
        grown: Mapping[str, pa.Table] = NOTHING,
    ) -> None:
        """See Store."""
        for name, table in [*parts.items(), *grown.items()]:
            check_part(name, table)
        with self._ready():
            self._check_lock(WAREHOUSE)
            self._warehouse.publish(next_number(self._meta, "publications"), parts, state, feature_states, grown)

    def warehouse(self, columns: Sequence[str] | None = None, parts: Sequence[str] | None = None) -> pa.Table:
        """See Store."""
        with self._ready():
            return self._warehouse.read(columns, parts)

    def warehouse_parts(self) -> dict[str, int]:
        """See Store."""
        with self._ready():
            return {part.name: part.rows for part in self._warehouse.current().parts if part.rows}

    def warehouse_state(self) -> WarehouseState:
        """See Store."""
        with self._ready():
            return self._warehouse.current().state

    def get_feature_state(self, name: str = CURRENT_FEATURE_STATE) -> FeatureStateRecord | None:
        """See Store."""
        with self._ready():
            return self._warehouse.feature_state(name)

    def feature_state_names(self) -> list[str]:
        """See Store."""
        with self._ready():
            return sorted(feature_state.name for feature_state in self._warehouse.current().feature_states)

    def feature_state_stamp(self, name: str = CURRENT_FEATURE_STATE) -> str | None:
        """See Store."""
        with self._ready():
            return self._warehouse.stamp(name)

    # Verdicts

    def put_verdict(self, verdict: Verdict) -> None:
        """See Store."""
        with self._ready():
            n = next_number(self._meta, "verdicts")
            self._verdicts.insert_one({"_id": str(n), "n": n, **document_of(verdict)})

    def verdicts(self, candidate: int | None = None, limit: int | None = None) -> list[Verdict]:
        """See Store."""
        with self._ready():
            if limit == 0:  # MongoDB takes 0 for no limit
                return []
            query = {} if candidate is None else {"candidate": candidate}
            return [record_of(d, Verdict) for d in self._verdicts.find(query).sort("n", -1).limit(limit or 0)]
