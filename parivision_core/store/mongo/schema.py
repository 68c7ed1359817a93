"""What a database must hold before it is used: a format and indexes, made once and checked by each process."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from parivision_core.problems import StoreError
from parivision_core.store.mongo.connection import Document

FORMAT = "1"


def prepare(
    meta: Collection[Document],
    manifests: Collection[Document],
    lake: Collection[Document],
    warehouse: Collection[Document],
    quarantine: Collection[Document],
) -> None:
    """Make what is missing. Raises StoreError for a database of another format, or one that isn't PariVision's."""
    found = meta.find_one({"_id": "format"})
    if found is not None and found.get("value") != FORMAT:
        raise StoreError(
            f"the database {meta.database.name} has format {found.get('value')}, this version writes format {FORMAT}; "
            "name another database in PARIVISION_MONGO_URL (its sources can be ingested again) or run the version that "
            "made it"
        )
    if found is None:
        for collection in (lake, warehouse):
            if collection.find_one({}, {"_id": 1}) is not None:
                raise StoreError(
                    f"the collection {collection.full_name} holds documents that this version didn't write; name "
                    "another database in PARIVISION_MONGO_URL. To take old shots over, put a mongoexport into the inbox"
                )
    _index(manifests, ("batch_id",), unique=True)
    _index(manifests, ("fingerprint",), unique=True)
    _index(lake, ("_n",))
    _index(lake, ("game_date",))
    _index(quarantine, ("_n",))
    _index(warehouse, ("_part", "_v"))
    _index(warehouse, ("_v",))
    if found is None:
        with suppress(DuplicateKeyError):  # another process may prepare the same database now
            meta.insert_one({"_id": "format", "value": FORMAT})


def _index(collection: Collection[Document], fields: tuple[str, ...], *, unique: bool = False) -> None:
    """Make an index unless it is there. Raises StoreError when one on the same fields has another meaning."""
    for index in collection.index_information().values():
        if tuple(name for name, _ in index["key"]) == fields:
            if bool(index.get("unique")) != unique:
                raise StoreError(
                    f"the index on {', '.join(fields)} of {collection.full_name} should "
                    f"{'' if unique else 'not '}be unique; drop it, PariVision makes its own"
                )
            return
    # An open manifest has no batch yet: sparse keeps such documents out of the index.
    options: dict[str, Any] = {"unique": True, "sparse": True} if unique else {}
    collection.create_index([(name, 1) for name in fields], **options)
