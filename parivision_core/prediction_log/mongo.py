"""The prediction log on MongoDB, next to the store there: for services on several machines.

Nothing here needs a transaction. What belongs to a call (pieces of a large body, awaited shots) is written before the
call's own document, whose write makes the call exist, and is removed after it.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from pymongo import ReadPreference, WriteConcern
from pymongo.collection import Collection as Documents
from pymongo.database import Database
from pymongo.errors import BulkWriteError, DuplicateKeyError

from parivision_core.prediction_log.base import DAY_LENGTH, READ_BYTES, Call, Outcome, PredictionLog
from parivision_core.prediction_log.ids import name_of, parts_of
from parivision_core.problems import ConfigurationError, StoreError
from parivision_core.store.mongo.connection import DUPLICATE, Document, explained
from parivision_core.store.mongo.documents import record_of

FORMAT = "1"
PIECE_BYTES = 8 * 1024 * 1024
"""Bytes of a body in one document: a body may exceed MongoDB's limit of 16 MB."""
FEW = 64
"""Calls that a read fetches at once: all of them have to fit into memory."""

# The test server compares `_id` for equality only, and finds no text that begins like a date: hence a letter before
# each `_id`, and a field `id` for queries by order.


class MongoPredictionLog(PredictionLog):
    """The prediction log in collections whose names begin with `prefix`; nothing is sent before the first use."""

    def __init__(self, database: Database[Document], prefix: str = "") -> None:
        """Raises ConfigurationError when the database is configured not to confirm writes, or not those on disk."""
        concern = database.write_concern
        for lax, option in (
            (not concern.acknowledged, "w=0"),
            (concern.document.get("j") is False, "journal=false"),
        ):
            if lax:
                raise ConfigurationError(
                    f"{option} would lose predictions silently; remove it from PARIVISION_MONGO_URL"
                )
        # A confirmed write must survive a loss of power, which w alone doesn't ensure on some replica sets.
        on_disk = WriteConcern(w=concern.document.get("w"), wtimeout=concern.document.get("wtimeout"), j=True)
        database = database.with_options(read_preference=ReadPreference.PRIMARY, write_concern=on_disk)
        self._meta = database[f"{prefix}prediction_log_meta"]
        self._calls = database[f"{prefix}prediction_log"]
        self._bodies = database[f"{prefix}prediction_log_bodies"]
        self._deleted = database[f"{prefix}prediction_log_deleted"]
        self._outcomes = database[f"{prefix}prediction_log_outcomes"]
        self._awaited = database[f"{prefix}prediction_log_awaited"]
        self._settled = database[f"{prefix}prediction_log_settled"]
        self._days = database[f"{prefix}prediction_log_days"]
        self._dependents = (self._awaited, self._settled, self._outcomes, self._deleted, self._bodies)
        self._prepared = False
        self._preparing = threading.Lock()

    @contextmanager
    def _ready(self) -> Iterator[None]:
        """Check the database once; errors of pymongo within become a StoreError."""
        with explained():
            with self._preparing:
                if not self._prepared:
                    self._prepare()
                    self._prepared = True
            yield

    def _prepare(self) -> None:
        with suppress(DuplicateKeyError):
            self._meta.insert_one({"_id": "format", "value": FORMAT})
        found = self._meta.find_one({"_id": "format"})
        if found is None or found.get("value") != FORMAT:
            raise StoreError(
                f"the prediction log in {self._meta.full_name} has format {found and found.get('value')}, this version "
                f"writes format {FORMAT}; name another database in PARIVISION_MONGO_URL or run the version that made it"
            )
        for collection in (self._calls, *self._dependents):
            collection.create_index([("id", 1)])
        self._awaited.create_index([("key", 1)])
        for collection in (self._awaited, self._settled):
            collection.create_index([("day", 1)])
        self._outcomes.create_index([("name", 1)])

    # Calls

    def append(self, calls: Sequence[Call]) -> None:
        """See PredictionLog. When it fails, some of the calls may have been written."""
        if not calls:
            return
        with self._ready():
            for call in calls:
                if len(call.request) > PIECE_BYTES:
                    _insert(self._bodies, _pieces(call))
            _insert(
                self._awaited,
                [
                    {"_id": f"a{name}", "id": call.id, "name": name, "key": f"k{key}", "day": f"d{key[:DAY_LENGTH]}"}
                    for call in calls
                    for row, key in call.awaited
                    for name in [name_of(call.id, None if call.content == "shot" else row)]
                ],
            )
            _insert(self._calls, [_document(call) for call in calls])
            # Last, so that a reader that sees the number change finds the calls.
            for day in sorted({key[:DAY_LENGTH] for call in calls for _, key in call.awaited}):
                self._days.update_one({"_id": f"d{day}"}, {"$inc": {"appends": 1}}, upsert=True)

    def calls(self, *, before: str | None = None, since: str | None = None, limit: int) -> list[Call]:
        """See PredictionLog."""
        bounds = {"$gte": since or "", "$lt": before or "g"}  # ids are hexadecimal
        found, size = [], 0
        with self._ready():
            documents = self._calls.find({"id": bounds}, batch_size=FEW).sort("id", -1).limit(limit)
            with documents:
                for document in documents:
                    if (call := self._call(document)) is None:
                        continue
                    found.append(call)
                    size += call.size
                    if size > READ_BYTES:
                        break
        return found

    def call(self, call_id: str) -> Call | None:
        """See PredictionLog."""
        with self._ready():
            document = self._calls.find_one({"_id": f"c{call_id}"})
            return self._call(document) if document else None

    def _call(self, document: Document) -> Call | None:
        """The call of a document, whose body may be in others; None when it was deleted between the two reads."""
        if document["pieces"]:
            pieces = list(self._bodies.find({"id": document["id"]}).sort("at", 1))
            if len(pieces) != document["pieces"]:
                return None
            document["request"] = b"".join(piece["body"] for piece in pieces)
        return record_of(document, Call)

    def delete(self, call_id: str, row: int | None = None) -> bool:
        """See PredictionLog."""
        with self._ready():
            if row is None:
                gone = self._calls.delete_one({"_id": f"c{call_id}"}).deleted_count > 0
                for collection in self._dependents:
                    collection.delete_many({"id": call_id})
                return gone
            document = self._calls.find_one({"_id": f"c{call_id}"}, {"content": 1, "rows": 1})
            if document is None or document["content"] == "shot" or not 0 <= row < document["rows"]:
                return False
            name = name_of(call_id, row)
            with suppress(DuplicateKeyError):
                self._deleted.insert_one({"_id": f"d{name}", "id": call_id, "row": row})
                self._outcomes.delete_one({"_id": f"o{name}"})
                self._awaited.delete_one({"_id": f"a{name}"})
                self._settled.delete_one({"_id": f"a{name}"})
                return True
            return False

    def deleted(self, call_ids: Collection[str]) -> dict[str, set[int]]:
        """See PredictionLog."""
        found: dict[str, set[int]] = {}
        with self._ready():
            for document in self._deleted.find({"id": {"$in": list(call_ids)}}):
                found.setdefault(document["id"], set()).add(document["row"])
        return found

    def prune(self, before: str, limit: int) -> int:
        """See PredictionLog."""
        with self._ready():
            oldest = list(self._calls.find({"id": {"$lt": before}}, {"id": 1}).sort("id", 1).limit(limit))
            if not oldest:
                return 0
            for collection in (self._calls, *self._dependents):
                collection.delete_many({"id": {"$lte": oldest[-1]["id"]}})
            return len(oldest)

    # Outcomes

    def put_outcomes(self, outcomes: Mapping[str, Outcome]) -> None:
        """See PredictionLog."""
        ids = {name: parts_of(name)[0] for name in outcomes}
        with self._ready():
            known = {d["id"] for d in self._calls.find({"id": {"$in": sorted(set(ids.values()))}}, {"id": 1})}
            for name, outcome in outcomes.items():
                if ids[name] in known:
                    self._put(name, ids[name], outcome)
                    if outcome.source == "lake":
                        _move(f"a{name}", self._awaited, self._settled)

    def reopen(self, predictions: Collection[str]) -> None:
        """See PredictionLog."""
        with self._ready():
            for name in predictions:
                self._outcomes.delete_one({"_id": f"o{name}"})
                _move(f"a{name}", self._settled, self._awaited)

    def _put(self, name: str, call_id: str, outcome: Outcome) -> None:
        # Integers instead of booleans, which the test server loses in an update.
        fields: Document = {"made": int(outcome.made), "source": outcome.source, "reported_at": outcome.reported_at}
        try:
            self._outcomes.insert_one({"_id": f"o{name}", "name": name, "id": call_id, **fields})
        except DuplicateKeyError:
            overridable = {} if outcome.source == "lake" else {"source": "caller"}
            self._outcomes.update_one({"_id": f"o{name}", **overridable}, {"$set": fields})

    def outcomes(self, predictions: Collection[str]) -> dict[str, Outcome]:
        """See PredictionLog."""
        with self._ready():
            return {
                document["name"]: record_of({**document, "made": bool(document["made"])}, Outcome)
                for document in self._outcomes.find({"name": {"$in": list(predictions)}})
            }

    def awaiting(self, keys: Iterable[str]) -> dict[str, list[str]]:
        """See PredictionLog."""
        found: dict[str, list[str]] = {}
        with self._ready():
            documents = self._awaited.find({"key": {"$in": [f"k{key}" for key in keys]}})
            for document in sorted(documents, key=lambda d: parts_of(d["name"])):
                found.setdefault(document["key"][1:], []).append(document["name"])
        return found

    def awaited_days(self) -> dict[str, str]:
        """See PredictionLog."""
        with self._ready():
            # Answered from the index alone. A day without a number was written by an earlier version.
            days = sorted(self._awaited.distinct("day"))
            appends = {document["_id"]: document["appends"] for document in self._days.find()} if days else {}
        return {day[1:]: str(appends.get(day, 0)) for day in days}

    def settled_days(self) -> list[str]:
        """See PredictionLog."""
        with self._ready():
            return [day[1:] for day in sorted(self._settled.distinct("day"))]

    def settled(self, day: str) -> dict[str, list[str]]:
        """See PredictionLog."""
        found: dict[str, list[str]] = {}
        with self._ready():
            documents = self._settled.find({"day": f"d{day}"})
            for document in sorted(documents, key=lambda d: (d["key"], parts_of(d["name"]))):
                found.setdefault(document["key"][1:], []).append(document["name"])
        return found

    def check(self) -> None:
        """See PredictionLog. MongoDB checks its pages itself."""

    def close(self) -> None:
        """See PredictionLog. Does nothing: the connections are shared with the process's store."""


def _document(call: Call) -> Document:
    large = len(call.request) > PIECE_BYTES
    return {
        "_id": f"c{call.id}",
        "id": call.id,
        "content": call.content,
        "request": b"" if large else call.request,
        "pieces": -(-len(call.request) // PIECE_BYTES) if large else 0,
        "probability": call.probability,
        "rows": call.rows,
        "features": call.features,
        "schema": call.schema,
        "champion_version": call.champion_version,
        "champion_sha256": call.champion_sha256,
        "feature_state_stamp": call.feature_state_stamp,
        "latency_us": call.latency_us,
        "caller": call.caller,
    }


def _pieces(call: Call) -> list[Document]:
    """A large body, piece by piece."""
    return [
        {"_id": f"b{call.id}:{at}", "id": call.id, "at": at, "body": call.request[start : start + PIECE_BYTES]}
        for at, start in enumerate(range(0, len(call.request), PIECE_BYTES))
    ]


def _move(name: str, source: Documents[Any], target: Documents[Any]) -> None:
    """Move a document, if it is there, from one collection to another."""
    if document := source.find_one({"_id": name}):
        _insert(target, [document])
        source.delete_one({"_id": name})


def _insert(collection: Documents[Any], documents: list[Document]) -> None:
    """Insert documents; those that are there already are skipped."""
    if not documents:
        return
    try:
        collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        errors = error.details["writeErrors"]
        if error.details.get("writeConcernErrors") or any(e["code"] != DUPLICATE for e in errors):
            raise
