"""Format and indexes of a database, made once and checked by each process before the first use."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from parivision_core.problems import StoreError
from parivision_core.store.mongo.connection import Document

FORMAT = "3"
UNLINKED = "2"
"""The format before links between batches: a database that has it needs an index more, and is upgraded at once."""


class Index(NamedTuple):
    """An index that a collection must have."""

    collection: Collection[Document]
    fields: tuple[str, ...]
    unique: bool = False


def prepare(meta: Collection[Document], ours: Sequence[Collection[Document]], indexes: Sequence[Index]) -> None:
    """Make what is missing. Raises StoreError for a database of another format, or one that isn't PariVision's.

    A database without a format must have nothing in the collections `ours`.
    """
    found = meta.find_one({"_id": "format"})
    if found is not None and found.get("value") not in (FORMAT, UNLINKED):
        raise StoreError(
            f"the database {meta.database.name} has format {found.get('value')}, this version writes format {FORMAT}; "
            "name another database in PARIVISION_MONGO_URL (its sources can be ingested again) or run the version that "
            "made it"
        )
    if found is None:
        for collection in ours:
            if collection.find_one({}, {"_id": 1}) is not None:
                raise StoreError(
                    f"the collection {collection.full_name} holds documents that this version didn't write; name "
                    "another database in PARIVISION_MONGO_URL. To import its shots, put a mongoexport into the inbox"
                )
    for index in indexes:
        _make(index)
    if found is None:
        with suppress(DuplicateKeyError):  # another process may prepare the same database now
            meta.insert_one({"_id": "format", "value": FORMAT})
    elif found["value"] == UNLINKED:
        meta.update_one({"_id": "format"}, {"$set": {"value": FORMAT}})


def _make(required: Index) -> None:
    """Make an index unless it exists. Raises StoreError when one on the same fields differs in uniqueness."""
    for index in required.collection.index_information().values():
        if tuple(name for name, _ in index["key"]) == required.fields:
            if bool(index.get("unique")) != required.unique:
                raise StoreError(
                    f"the index on {', '.join(required.fields)} of {required.collection.full_name} should "
                    f"{'' if required.unique else 'not '}be unique; drop it, PariVision makes the right one"
                )
            return
    # An open manifest has no batch yet: sparse keeps such documents out of the index.
    options: dict[str, Any] = {"unique": True, "sparse": True} if required.unique else {}
    required.collection.create_index([(name, 1) for name in required.fields], **options)
