"""The store on MongoDB: any number of processes on any number of machines may read and write it.

Nothing here needs a transaction, so it also runs on a server that isn't a replica set. A batch's shots carry the number
of its commit, and readers take only numbers whose manifest is committed. The warehouse works likewise: one document
points to its parts and feature states.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import msgspec
from pymongo import ReadPreference, ReturnDocument
from pymongo.collection import Collection as Documents
from pymongo.database import Database
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from parivision_core.problems import ConfigurationError, ConflictError, LockLostError, StoreError
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
from parivision_core.store.mongo.connection import DUPLICATE, Document, explained
from parivision_core.store.mongo.documents import (
    LARGEST,
    PIECE,
    check_sizes,
    document_of,
    documents,
    record_of,
    schema_of,
    tables,
    too_large,
    types_of,
)
from parivision_core.store.mongo.lease import lease
from parivision_core.store.mongo.schema import Index, prepare
from parivision_core.store.mongo.shots import newest
from parivision_core.store.mongo.warehouse import Warehouse
from parivision_core.store.shots import ShotQuery

if TYPE_CHECKING:
    import pyarrow as pa

OPEN, COMMITTED, DISCARDED = "open", "committed", "discarded"


class ShotColumns(msgspec.Struct, frozen=True):
    """What a manifest's document holds besides the manifest."""

    columns: list[tuple[str, str]]
    """Name and type of each column of its shots."""


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
        self._manifests = database[prefix + "manifests"]
        self._lake = database[lake]
        self._quarantine = database[prefix + "quarantine"]
        self._failures = database[prefix + "failures"]
        self._verdicts = database[prefix + "verdicts"]
        self._warehouse = Warehouse(database, self._meta, warehouse, prefix + "feature_states")
        self._held: dict[str, Document] = {}
        self._prepared = False
        self._preparing = threading.Lock()

    def _prepare(self) -> None:
        with self._preparing:
            if not self._prepared:
                rows, feature_states = self._warehouse.rows, self._warehouse.feature_states
                prepare(
                    self._meta,
                    [self._lake, rows],
                    [
                        Index(self._manifests, ("batch_id",), unique=True),
                        Index(self._manifests, ("fingerprint",), unique=True),
                        Index(self._lake, ("_n",)),
                        Index(self._lake, ("game_date",)),
                        Index(self._quarantine, ("_n",)),
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
            self._sweep()
            if self._manifests.find_one({"batch_id": manifest.batch_id}):
                raise StoreError(f"batch {manifest.batch_id} is committed already")
            n = self._next("batches")
            self._manifests.insert_one({"_id": str(n), "n": n, "state": OPEN, "opened_at": now_ms()})
            try:
                for piece in documents(shots):
                    for shot in piece:
                        shot["_n"] = n
                    self._insert(n, piece)
                for start in range(0, len(quarantined), 1000):
                    self._quarantine.insert_many(
                        [{**document_of(q), "_id": f"{n}:{q.row}", "_n": n} for q in quarantined[start : start + 1000]],
                        ordered=False,
                    )
                self._close(n, {**document_of(manifest), "columns": types_of(shots)})
            except BaseException:
                with suppress(PyMongoError, StoreError):  # otherwise the next commit sweeps it away
                    self._discard(n)
                raise
            self._failures.delete_one({"_id": manifest.fingerprint})

    def _check_lock(self, name: str) -> None:
        """Raise LockLostError when a lock that this store took was lost, for another process may hold it now."""
        mine = self._held.get(name)
        if mine is not None and self._locks.find_one(mine, {"_id": 1}) is None:
            raise LockLostError(
                f"the lock {name} was lost to another process, because this one was suspended; run again"
            )

    def _insert(self, n: int, shots: list[Document]) -> None:
        """Insert shots of commit `n`; an `_id` that exists conflicts, or is left by an attempt that never committed.

        The lake held none of these ids when the batch was compared with it. What was left by an attempt that lost its
        lock is removed. A shot that another process committed meanwhile makes the batch start over, and is found then.
        """
        try:
            self._lake.insert_many(shots, ordered=False)
        except BulkWriteError as error:
            errors = error.details["writeErrors"]
            if error.details.get("writeConcernErrors") or any(e["code"] != DUPLICATE for e in errors):
                raise
        else:
            return
        again = [shots[e["index"]] for e in errors]
        taken = {shot["_id"] for shot in again}
        others = {"game_date": {"$in": sorted({shot["game_date"] for shot in again})}, "_n": {"$ne": n}}
        # By day and not by `_id`, because the test server can't search for many ids.
        holders = {held["_n"] for held in self._lake.find(others, {"_n": 1}) if held["_id"] in taken}
        for holder in holders:
            if self._manifests.find_one({"_id": str(n), "state": OPEN}) is None:
                raise _lost()
            if not self._discard(holder):
                raise ConflictError("another process stored some of the shots meanwhile; ingest the batch again")
        self._lake.insert_many(again, ordered=False)

    def _close(self, n: int, fields: Document) -> None:
        """The commit: one write, which fails when the open manifest was swept away meanwhile."""
        try:
            done = self._manifests.update_one({"_id": str(n), "state": OPEN}, {"$set": {**fields, "state": COMMITTED}})
        except DuplicateKeyError:
            raise StoreError(f"batch {fields['batch_id']} is committed already") from None
        if not done.matched_count:
            raise _lost()

    def _discard(self, n: int) -> bool:
        """Remove what an attempt wrote, unless it was committed; returns whether it was removed.

        First its manifest gets the state `discarded`, in a write that prevents its commit; the manifest is deleted
        last, so that this can be repeated.
        """
        with suppress(DuplicateKeyError):  # shots without a manifest could get one until it is discarded
            self._manifests.insert_one({"_id": str(n), "n": n, "state": DISCARDED})
        self._manifests.update_one({"_id": str(n), "state": OPEN}, {"$set": {"state": DISCARDED}})
        if self._manifests.find_one({"_id": str(n), "state": COMMITTED}, {"_id": 1}):
            return False
        self._lake.delete_many({"_n": n})
        self._quarantine.delete_many({"_n": n})
        self._manifests.delete_one({"_id": str(n), "state": DISCARDED})
        return True

    def _sweep(self) -> None:
        """Remove what was left by attempts that were killed, or that kept writing after they had lost their lock."""
        for left in list(self._manifests.find({"state": {"$in": [OPEN, DISCARDED]}}, {"n": 1})):
            self._discard(left["n"])
        gaps = _gaps(sorted(document["n"] for document in self._manifests.find({"state": COMMITTED}, {"n": 1})))
        for collection in (self._lake, self._quarantine):
            while gaps and (found := collection.find_one({"_n": {"$in": gaps}}, {"_n": 1})):
                self._discard(found["_n"])
                gaps.remove(found["_n"])

    def _next(self, counter: str) -> int:
        """The next number of a counter; none is given twice."""
        return int(_upserted(self._meta, f"counter:{counter}", {"$inc": {"value": 1}})["value"])

    def _committed(self) -> list[Document]:
        """Committed manifests by number, without the types of their columns."""
        return list(self._manifests.find({"state": COMMITTED}, {"columns": 0}).sort("n", 1))

    def manifests(self) -> list[Manifest]:
        """See Store."""
        with self._ready():
            return [record_of(document, Manifest) for document in self._committed()]

    def stored(self, batch_id: str, days: Collection[str] | None = None) -> tuple[pa.Table, Links]:
        """See Store."""
        raise NotImplementedError

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
            committed = [(d["n"], record_of(d, Manifest)) for d in self._committed()]
            since, until = narrowed(since, until, days)
            chosen = [n for n, m in committed if batch in (None, m.batch_id) and m.overlaps(since, until)]
            if not chosen:
                return
            query = _numbers("_n", [n for n, _ in committed if chosen[0] <= n <= chosen[-1]])
            kept = self._manifests.find({**_numbers("n", chosen), "state": COMMITTED}, {"columns": 1})
            schema = schema_of([record_of(document, ShotColumns).columns for document in kept], columns)
            when: Document = {"$gte": since} if since is not None else {}
            when |= {"$lte": until} if until is not None else {}
            when |= {"$in": sorted(days)} if days is not None else {}
            shots = self._lake.find(
                {**query, "game_date": when} if when else query, dict.fromkeys(schema.names, 1), batch_size=PIECE
            )
            # The server chooses an index by a short trial, which misleads it when a season was ingested early.
            yield from tables(shots.hint([("game_date", 1)]) if when else shots, schema)

    def find_shots(self, query: ShotQuery, limit: int, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """See Store."""
        with self._ready():
            committed = [(document["n"], record_of(document, Manifest)) for document in self._committed()]
            chosen = [(n, manifest) for n, manifest in committed if query.may_match(manifest)]
            if not chosen:
                return []
            first, last = chosen[0][0], chosen[-1][0]
            numbers = _numbers("_n", [n for n, _ in committed if first <= n <= last])
            return newest(self._lake, numbers, [manifest for _, manifest in chosen], query, limit, columns)

    def quarantine(self, batch_id: str | None = None) -> list[Quarantined]:
        """See Store."""
        with self._ready():
            committed = [d["n"] for d in self._committed() if batch_id in (None, d["batch_id"])]
            if not committed:
                return []
            query = _numbers("_n", committed) if batch_id is None else {"_n": committed[0]}
            rows = [record_of(document, Quarantined) for document in self._quarantine.find(query)]
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
            found = _upserted(self._failures, fingerprint, {"$inc": {"attempts": 1}, "$set": fields})
            return record_of(found, Failure)

    def failures(self) -> list[Failure]:
        """See Store. Failures of committed batches are left out, even if the commit died before it deleted them."""
        with self._ready():
            failures = [record_of(document, Failure) for document in self._failures.find()]
            committed = {document["fingerprint"] for document in self._committed()} if failures else set()
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
            self._warehouse.publish(self._next("publications"), parts, state, feature_states, grown)

    def warehouse(self, columns: Sequence[str] | None = None, parts: Sequence[str] | None = None) -> pa.Table:
        """See Store."""
        with self._ready():
            return self._warehouse.read(columns, parts)

    def warehouse_parts(self) -> dict[str, int]:
        """See Store."""
        with self._ready():
            return {part.name: part.rows for part in self._warehouse.current().parts}

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
            n = self._next("verdicts")
            self._verdicts.insert_one({"_id": str(n), "n": n, **document_of(verdict)})

    def verdicts(self, candidate: int | None = None, limit: int | None = None) -> list[Verdict]:
        """See Store."""
        with self._ready():
            if limit == 0:  # MongoDB takes 0 for no limit
                return []
            query = {} if candidate is None else {"candidate": candidate}
            return [record_of(d, Verdict) for d in self._verdicts.find(query).sort("n", -1).limit(limit or 0)]


def _upserted(collection: Documents[Document], key: str, update: Document) -> Document:
    """The document of a key after an update in one write, created if it wasn't there."""
    found = collection.find_one_and_update({"_id": key}, update, upsert=True, return_document=ReturnDocument.AFTER)
    if found is None:
        raise StoreError(f"MongoDB gave no answer to an update of {key} in {collection.full_name}; run again")
    return found


def _lost() -> LockLostError:
    return LockLostError("the lock on ingesting was lost to another process; the batch is offered again")


def _gaps(committed: Sequence[int]) -> list[int]:
    """Numbers up to the last committed one that were never committed: few, one for each failed attempt."""
    return sorted(set(range(1, committed[-1] + 1)) - set(committed)) if committed else []


def _numbers(field: str, committed: Sequence[int]) -> Document:
    """Query for these numbers as a range without the few gaps, so that it stays small for thousands of batches."""
    gaps = [gap for gap in _gaps(committed) if gap > committed[0]]
    numbers: Document = {"$gte": committed[0], "$lte": committed[-1]}
    return {field: {**numbers, "$nin": gaps} if gaps else numbers}
