"""The warehouse on MongoDB: one document points to what is published, and replacing it publishes anew.

Rows carry the number of the publication that wrote them. A part shows the rows of its publications up to the current
one; a new day is appended without touching the season before it.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection as Names
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from gridfs import GridFSBucket, NoFile
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from parivision_core.problems import ConflictError, StoreError
from parivision_core.records import FormRecord
from parivision_core.store.base import WarehouseState
from parivision_core.store.mongo.connection import Document
from parivision_core.store.mongo.documents import PIECE, document_of, documents, record_of, schema_of, tables, types_of

if TYPE_CHECKING:
    import pyarrow as pa

POINTER = "warehouse"
READS = 5
"""How often a read is begun anew when a publication comes in between."""


class Part(msgspec.Struct, frozen=True):
    """One part as published."""

    name: str
    since: int
    """First publication whose rows belong to it."""
    rows: int
    digest: str
    """Of its rows, by which a part that only grew is recognised."""
    columns: list[tuple[str, str]]


class KeptForm(msgspec.Struct, frozen=True, kw_only=True):
    """A FormRecord whose payload lies in a file."""

    name: str
    file: str
    stamp: str
    schema: str
    base_fingerprint: str
    through: str | None
    shots: int


class Pointer(msgspec.Struct, frozen=True):
    """The document whose write publishes: what readers see of the warehouse and its forms."""

    v: int = 0
    """Number of the publication."""
    gaps: list[int] = []
    """Numbers up to `v` of publications that never came about; nothing that they left is shown."""
    parts: list[Part] = []
    forms: list[KeptForm] = []
    state: WarehouseState = WarehouseState()


class Warehouse:
    """Feature rows in a collection, forms in GridFS (a form may be larger than a document), and their pointer."""

    def __init__(self, database: Database[Document], meta: Collection[Document], rows: str, forms: str) -> None:
        self.rows = database[rows]
        self._meta = meta
        self._files = GridFSBucket(database, bucket_name=forms)

    def current(self) -> Pointer:
        """What is published; an empty pointer before the first publication."""
        found = self._meta.find_one({"_id": POINTER})
        return record_of(found, Pointer) if found else Pointer()

    def publish(
        self, v: int, parts: Mapping[str, pa.Table], state: WarehouseState, forms: Mapping[str, FormRecord]
    ) -> None:
        """Write rows and forms under a number never used before, then point to them, then remove what nothing shows.

        Raises ConflictError when someone else published meanwhile; nothing of this publication is shown then.
        """
        old = self.current()
        self.rows.delete_many({"_v": {"$gt": old.v}})  # of publications that were killed
        now = {part.name: part for part in old.parts}
        for name, table in parts.items():
            now[name] = self._write(v, name, table, now.get(name))
        kept = {form.name: form for form in old.forms}
        kept |= {name: self._keep(name, form) for name, form in forms.items()}
        new = Pointer(
            v,
            [*old.gaps, *range(old.v + 1, v)],
            [now[name] for name in sorted(now)],
            [kept[name] for name in sorted(kept)],
            state,
        )
        self._point(old, new)
        for part in new.parts:  # all of them: the last publication may have died before it came to this
            self.rows.delete_many({"_part": part.name, "_v": {"$lt": part.since}})
        self._forget_files({form.file for form in new.forms})

    def _write(self, v: int, name: str, table: pa.Table, old: Part | None) -> Part:
        columns = types_of(table)
        grew = (
            old is not None
            and old.columns == columns
            and old.rows <= table.num_rows
            and _digest(table.slice(0, old.rows)) == old.digest
        )
        since, written = (old.since, old.rows) if grew and old is not None else (v, 0)
        for piece in documents(table.slice(written)):
            rows = [
                {**row, "_id": f"{v}:{name}:{row['_id']}", "_row": row["_id"], "_part": name, "_v": v} for row in piece
            ]
            self.rows.insert_many(rows, ordered=False)
        return Part(name, since, table.num_rows, _digest(table), columns)

    def _keep(self, name: str, form: FormRecord) -> KeptForm:
        file = uuid.uuid4().hex
        self._files.upload_from_stream_with_id(file, name, form.payload)
        known = msgspec.structs.asdict(form)
        del known["payload"]
        return KeptForm(name=name, file=file, **known)

    def _point(self, old: Pointer, new: Pointer) -> None:
        document = {"_id": POINTER, **document_of(new)}
        try:
            if old.v:
                done = self._meta.replace_one({"_id": POINTER, "v": old.v}, document).matched_count
            else:
                done = bool(self._meta.insert_one(document).acknowledged)
        except DuplicateKeyError:
            done = 0
        if not done:
            raise ConflictError("someone else published the warehouse meanwhile; materialize shot_features again")

    def _forget_files(self, shown: Names[str]) -> None:
        for file in list(self._files.find({})):
            if file._id not in shown:
                self._files.delete(file._id)

    def read(self, columns: Sequence[str] | None, parts: Sequence[str] | None) -> pa.Table:
        """Rows of some parts by part and `_id`. Raises StoreError when rows are missing."""
        import pyarrow as pa  # noqa: PLC0415 - the service opens a store without Arrow

        for _ in range(READS):
            pointer = self.current()
            chosen = [part for part in pointer.parts if parts is None or part.name in parts]
            read = [self._read(pointer, part, columns) for part in chosen]
            wrong = [part.name for part, table in zip(chosen, read, strict=True) if table.num_rows != part.rows]
            if not wrong:
                return pa.concat_tables(read) if read else pa.table({})
        raise StoreError(
            f"{', '.join(wrong)} of the warehouse doesn't hold the rows that were published; remove the document "
            f"{POINTER!r} from {self._meta.full_name}, then materialize shot_features"
        )

    def _read(self, pointer: Pointer, part: Part, columns: Sequence[str] | None) -> pa.Table:
        import pyarrow as pa  # noqa: PLC0415 - see above

        wanted = schema_of(part.columns, columns)
        stored = pa.schema([("_row", pa.string()), *((f.name, f.type) for f in wanted if f.name != "_id")])
        numbers: Document = {"$gte": part.since, "$lte": pointer.v}
        if pointer.gaps:
            numbers["$nin"] = pointer.gaps
        found = self.rows.find({"_part": part.name, "_v": numbers}, dict.fromkeys(stored.names, 1), batch_size=PIECE)
        table = pa.concat_tables([*tables(found, stored), stored.empty_table()]).combine_chunks().sort_by("_row")
        return table.rename_columns({"_row": "_id"}).select(wanted.names)

    def form(self, name: str) -> FormRecord | None:
        """The form kept under a name, or None."""
        for _ in range(READS):
            for kept in self.current().forms:
                if kept.name == name:
                    try:
                        payload = self._files.open_download_stream(kept.file).read()
                    except NoFile:  # replaced between the two reads
                        break
                    return msgspec.convert(msgspec.structs.asdict(kept) | {"payload": payload}, FormRecord)
            else:
                return None
        raise StoreError(f"the form {name} is missing in MongoDB; materialize shot_features to make it again")

    def stamp(self, name: str) -> str | None:
        """Stamp of the form kept under a name, without its payload."""
        found = self._meta.find_one({"_id": POINTER}, {"forms": 1})
        forms = [] if found is None else found["forms"]
        return next((str(form["stamp"]) for form in forms if form["name"] == name), None)


def _digest(table: pa.Table) -> str:
    """Fingerprint of rows, whatever chunks and offsets they lie in."""
    import pyarrow as pa  # noqa: PLC0415 - see above

    # Taking copies: a slice would bring along buffers that depend on where it was cut.
    whole, sink = table.take(pa.array(range(table.num_rows), pa.int64())).combine_chunks(), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, whole.schema) as stream:
        stream.write_table(whole)
    return hashlib.blake2b(sink.getvalue(), digest_size=16).hexdigest()
