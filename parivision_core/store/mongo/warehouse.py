"""The warehouse on MongoDB: one document, the pointer, names what is published; replacing it publishes.

Rows and feature states carry the number of the publication that wrote them. A part shows the rows of its publications
up to the current one; a new day is appended without touching the rest of its season. A publication begins by writing
its number into the pointer, as a claim: the previous claimant can't publish any more, so what it wrote may be removed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
from pymongo import ReturnDocument
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from parivision_core.problems import ConflictError, StoreError
from parivision_core.records import FeatureStateRecord
from parivision_core.store.base import WarehouseState
from parivision_core.store.mongo.connection import Document
from parivision_core.store.mongo.documents import PIECE, document_of, documents, record_of, schema_of, tables, types_of

if TYPE_CHECKING:
    import pyarrow as pa

POINTER = "warehouse"
READS = 5
"""Attempts of a read that publications interfere with."""
FEATURE_STATE_PIECE = 8 * 1024 * 1024
"""Bytes of a feature state in one document: a feature state may exceed MongoDB's limit of 16 MB."""


class Part(msgspec.Struct, frozen=True):
    """One part as published."""

    name: str
    since: int
    """First publication whose rows belong to it."""
    rows: int
    columns: list[tuple[str, str]]


class KeptFeatureState(msgspec.Struct, frozen=True, kw_only=True):
    """A FeatureStateRecord whose payload is in documents of its own."""

    name: str
    v: int
    """Publication that wrote it."""
    pieces: int
    stamp: str
    schema: str
    base_fingerprint: str
    through: str | None
    shots: int


class Pointer(msgspec.Struct, frozen=True):
    """The document whose write publishes: what readers see of the warehouse and its feature states."""

    v: int = 0
    """Number of the publication."""
    claim: int = 0
    """Number of the publication that may replace this one."""
    gaps: list[int] = []
    """Numbers up to `v` of publications that were never completed; nothing that they left is shown."""
    parts: list[Part] = []
    feature_states: list[KeptFeatureState] = []
    state: WarehouseState = WarehouseState()

    def rows_of(self, part: Part) -> Document:
        """Query for the rows that a part shows."""
        numbers: Document = {"$gte": part.since, "$lte": self.v}
        return {"_part": part.name, "_v": {**numbers, "$nin": self.gaps} if self.gaps else numbers}


class Warehouse:
    """Feature rows and feature states in a collection each, and their pointer."""

    def __init__(
        self, database: Database[Document], meta: Collection[Document], rows: str, feature_states: str
    ) -> None:
        self.rows = database[rows]
        self.feature_states = database[feature_states]
        self._meta = meta

    def current(self) -> Pointer:
        """What is published; an empty pointer before the first publication."""
        found = self._meta.find_one({"_id": POINTER})
        return record_of(found, Pointer) if found else Pointer()

    def publish(
        self,
        v: int,
        parts: Mapping[str, pa.Table],
        state: WarehouseState,
        feature_states: Mapping[str, FeatureStateRecord],
        grown: Mapping[str, pa.Table],
    ) -> None:
        """Write rows and feature states under a new number, then point to them, then remove what isn't shown any more.

        Raises ConflictError when another process published meanwhile; nothing of this publication is shown then.
        """
        old = self._claim(v)
        # What is left of publications that can't be completed any more.
        for collection in (self.rows, self.feature_states):
            collection.delete_many({"_v": {"$gt": old.v, "$lt": v}})
        now = {part.name: part for part in old.parts}
        for name, table in parts.items():
            now[name] = Part(name, v, self._write(v, name, table), types_of(table))
        for name, table in grown.items():
            now[name] = msgspec.structs.replace(now[name], rows=now[name].rows + self._write(v, name, table))
        kept = {feature_state.name: feature_state for feature_state in old.feature_states} | {
            name: self._keep(v, name, f) for name, f in feature_states.items()
        }
        oldest = min((part.since for part in now.values()), default=v)
        new = Pointer(
            v,
            v,
            [gap for gap in (*old.gaps, *range(old.v + 1, v)) if gap > oldest],
            [now[name] for name in sorted(now)],
            [kept[name] for name in sorted(kept)],
            state,
        )
        if not self._meta.replace_one({"_id": POINTER, "claim": v}, {"_id": POINTER, **document_of(new)}).matched_count:
            raise _taken()
        # For all of them: the last publication may have died before this step.
        for part in new.parts:
            self.rows.delete_many({"_part": part.name, "_v": {"$lt": part.since}})
        for feature_state in new.feature_states:
            self.feature_states.delete_many({"name": feature_state.name, "_v": {"$lt": feature_state.v}})

    def _claim(self, v: int) -> Pointer:
        """Claim the pointer, so that earlier claimants can't publish; returns it as it stays until this publication."""
        with suppress(DuplicateKeyError):
            self._meta.insert_one({"_id": POINTER, **document_of(Pointer())})
        found = self._meta.find_one_and_update(
            {"_id": POINTER, "claim": {"$lt": v}}, {"$set": {"claim": v}}, return_document=ReturnDocument.AFTER
        )
        if found is None:
            raise _taken()
        return record_of(found, Pointer)

    def _write(self, v: int, name: str, table: pa.Table) -> int:
        """Write rows of a part; returns how many."""
        for piece in documents(table):
            for row in piece:
                row |= {"_id": f"{v}:{name}:{row['_id']}", "_row": row["_id"], "_part": name, "_v": v}
            self.rows.insert_many(piece, ordered=False)
        return int(table.num_rows)

    def _keep(self, v: int, name: str, feature_state: FeatureStateRecord) -> KeptFeatureState:
        starts = range(0, len(feature_state.payload), FEATURE_STATE_PIECE)
        for at, start in enumerate(starts):
            piece = feature_state.payload[start : start + FEATURE_STATE_PIECE]
            self.feature_states.insert_one(
                {"_id": f"{v}:{name}:{at}", "name": name, "_v": v, "at": at, "payload": piece}
            )
        known = msgspec.structs.asdict(feature_state)
        del known["payload"]
        return KeptFeatureState(name=name, v=v, pieces=len(starts), **known)

    def read(self, columns: Sequence[str] | None, parts: Sequence[str] | None) -> pa.Table:
        """Rows of some parts by part and `_id`. Raises StoreError when rows are missing."""
        import pyarrow as pa  # noqa: PLC0415 - the service opens a store without Arrow

        for _ in range(READS):
            pointer = self.current()
            chosen = [part for part in pointer.parts if parts is None or part.name in parts]
            read = [self._read(pointer, part, columns) for part in chosen]
            if all(table.num_rows == part.rows for part, table in zip(chosen, read, strict=True)):
                return pa.concat_tables(read) if read else pa.table({})
        raise self._damaged("the rows that were published")

    def _read(self, pointer: Pointer, part: Part, columns: Sequence[str] | None) -> pa.Table:
        import pyarrow as pa  # noqa: PLC0415 - see above

        schema = schema_of([part.columns], columns)
        stored = pa.schema([("_row", pa.string()), *((f.name, f.type) for f in schema if f.name != "_id")])
        found = self.rows.find(pointer.rows_of(part), dict.fromkeys(stored.names, 1), batch_size=PIECE)
        table = pa.concat_tables([*tables(found, stored), stored.empty_table()]).combine_chunks().sort_by("_row")
        return table.rename_columns({"_row": "_id"}).select(schema.names)

    def feature_state(self, name: str) -> FeatureStateRecord | None:
        """The feature state kept under a name, or None. Raises StoreError when its payload is missing."""
        for _ in range(READS):
            kept = next(
                (feature_state for feature_state in self.current().feature_states if feature_state.name == name), None
            )
            if kept is None:
                return None
            pieces = list(self.feature_states.find({"name": name, "_v": kept.v}).sort("at", 1))
            if len(pieces) == kept.pieces:  # otherwise it was replaced between the two reads
                payload = b"".join(piece["payload"] for piece in pieces)
                return msgspec.convert(msgspec.structs.asdict(kept) | {"payload": payload}, FeatureStateRecord)
        raise self._damaged(f"the feature state {name}")

    def stamp(self, name: str) -> str | None:
        """Stamp of the feature state kept under a name, without its payload."""
        found = self._meta.find_one({"_id": POINTER}, {"feature_states": 1})
        feature_states = [] if found is None else found["feature_states"]
        return next(
            (str(feature_state["stamp"]) for feature_state in feature_states if feature_state["name"] == name), None
        )

    def _damaged(self, missing: str) -> StoreError:
        return StoreError(
            f"the warehouse in MongoDB doesn't hold {missing}; remove the document {POINTER!r} from "
            f"{self._meta.full_name}, then materialize shot_features: it folds the lake anew"
        )


def _taken() -> ConflictError:
    return ConflictError("another process published the warehouse meanwhile; materialize shot_features again")
