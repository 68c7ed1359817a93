"""Batches on MongoDB: their documents carry the number of a commit, and are seen once its manifest is committed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
from pymongo import ReturnDocument
from pymongo.collection import Collection as Documents
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from parivision_core.problems import ConflictError, LockLostError, StoreError
from parivision_core.records import Links, Manifest, Quarantined, now_ms
from parivision_core.store.base import UNLINKED
from parivision_core.store.checks import check_targets
from parivision_core.store.links import ADDRESS, Hides, PackedRows, packed_hides, packed_repeats, unpacked
from parivision_core.store.mongo.connection import DUPLICATE, Document
from parivision_core.store.mongo.documents import document_of, documents, record_of, types_of

if TYPE_CHECKING:
    import pyarrow as pa

RENAMED = "!"
"""Follows the `_id` of a shot in its document when another, one that doesn't stand, has it; so no `_id` may hold it."""
OPEN, COMMITTED, DISCARDED = "open", "committed", "discarded"
LOCATED = ("_n", *ADDRESS)
"""Fields of a document that tell whether it stands."""
Commit = tuple[int, Manifest]
HiddenOf = Mapping[int, Mapping[str, Collection[int]]]
"""Number of a commit -> batch id -> rows with that address, among those that it stored, that don't stand."""


class ShotColumns(msgspec.Struct, frozen=True):
    """What a manifest's document holds besides the manifest."""

    columns: list[tuple[str, str]]
    """Name and type of each column of its shots."""


class LinkDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The links of a commit to one batch."""

    other: str
    """Id of that batch."""
    hides: PackedRows | None = None
    repeats: PackedRows | None = None


class Commits:
    """The collections that a commit writes, and the numbers of commits."""

    def __init__(
        self,
        meta: Documents[Document],
        manifests: Documents[Document],
        lake: Documents[Document],
        quarantine: Documents[Document],
        links: Documents[Document],
    ) -> None:
        self._meta = meta
        self.manifests = manifests
        self.lake = lake
        self.quarantine = quarantine
        self.links = links

    def committed(self) -> list[Commit]:
        """Number and manifest of each commit, in their order."""
        found = self.manifests.find({"state": COMMITTED}, {"columns": 0}).sort("n", 1)
        return [(document["n"], record_of(document, Manifest)) for document in found]

    def columns(self, commits: Sequence[int]) -> list[list[tuple[str, str]]]:
        """Names and types of the columns of some commits' shots."""
        kept = self.manifests.find({**numbers("n", commits), "state": COMMITTED}, {"columns": 1})
        return [record_of(document, ShotColumns).columns for document in kept]

    def write(self, manifest: Manifest, shots: pa.Table, quarantined: Sequence[Quarantined], links: Links) -> None:
        """Commit a batch. The manifest is there from the start with the state `open`; changing that is the commit."""
        self._sweep()
        if self.manifests.find_one({"batch_id": manifest.batch_id}):
            raise StoreError(f"batch {manifest.batch_id} is committed already")
        if links != UNLINKED:
            check_targets(manifest, links, (known.batch_id for _, known in self.committed()))
        n = next_number(self._meta, "batches")
        self.manifests.insert_one({"_id": str(n), "n": n, "state": OPEN, "opened_at": now_ms()})
        try:
            self._insert_links(n, links)
            kept = set(links.hides.get(manifest.batch_id, ()))
            for piece in documents(shots):
                for shot in piece:
                    if RENAMED in shot["_id"]:
                        raise StoreError(
                            f"MongoDB keeps no _id with {RENAMED}, as {shot['_id']} has; nothing was stored"
                        )
                    shot["_n"] = n
                    if kept and shot["row"] in kept:
                        shot["_id"] = _renamed(shot)
                self._insert(n, manifest, piece)
            for start in range(0, len(quarantined), 1000):
                self.quarantine.insert_many(
                    [{**document_of(q), "_id": f"{n}:{q.row}", "_n": n} for q in quarantined[start : start + 1000]],
                    ordered=False,
                )
            self._close(n, {**document_of(manifest), "columns": types_of(shots)})
        except BaseException:
            with suppress(PyMongoError, StoreError):  # otherwise the next commit sweeps it away
                self._discard(n)
            raise

    def _insert(self, n: int, manifest: Manifest, shots: list[Document]) -> None:
        """Insert shots of commit `n`; an `_id` that exists conflicts, doesn't stand, or is left by a failed attempt.

        No standing shot had one of these ids when the batch was compared with the lake. A shot whose `_id` is held by
        one that doesn't stand is stored under another. What was left by an attempt that lost its lock is removed. A
        shot that another process committed meanwhile makes the batch start over, and is found then.
        """
        try:
            self.lake.insert_many(shots, ordered=False)
        except BulkWriteError as error:
            errors = error.details["writeErrors"]
            if error.details.get("writeConcernErrors") or any(e["code"] != DUPLICATE for e in errors):
                raise
        else:
            return
        again = {shot["_id"]: shot for shot in (shots[e["index"]] for e in errors)}
        others = {"game_date": {"$in": sorted({shot["game_date"] for shot in again.values()})}, "_n": {"$ne": n}}
        # By day and not by `_id`, because the test server can't search for many ids.
        found = self.lake.find(others, {"_n": 1, "batch_id": 1, "row": 1})
        holders = [held for held in found if held["_id"] in again]
        commits = [*self.committed(), (n, manifest)]
        free = hidden_of(commits, self.hides(commits))
        for held in holders:
            if is_hidden(held, free):
                shot = again[held["_id"]]
                shot["_id"] = _renamed(shot)
        for holder in {held["_n"] for held in holders if not is_hidden(held, free)}:
            if self.manifests.find_one({"_id": str(n), "state": OPEN}) is None:
                raise _lost()
            if not self._discard(holder):
                raise ConflictError("another process stored some of the shots meanwhile; ingest the batch again")
        self.lake.insert_many(list(again.values()), ordered=False)

    def _close(self, n: int, fields: Document) -> None:
        """The commit: one write, which fails when the open manifest was swept away meanwhile."""
        try:
            done = self.manifests.update_one({"_id": str(n), "state": OPEN}, {"$set": {**fields, "state": COMMITTED}})
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
            self.manifests.insert_one({"_id": str(n), "n": n, "state": DISCARDED})
        self.manifests.update_one({"_id": str(n), "state": OPEN}, {"$set": {"state": DISCARDED}})
        if self.manifests.find_one({"_id": str(n), "state": COMMITTED}, {"_id": 1}):
            return False
        for collection in (self.lake, self.quarantine, self.links):
            collection.delete_many({"_n": n})
        self.manifests.delete_one({"_id": str(n), "state": DISCARDED})
        return True

    def _sweep(self) -> None:
        """Remove what was left by attempts that were killed, or that kept writing after they had lost their lock."""
        for left in list(self.manifests.find({"state": {"$in": [OPEN, DISCARDED]}}, {"n": 1})):
            self._discard(left["n"])
        gaps = _gaps(sorted(document["n"] for document in self.manifests.find({"state": COMMITTED}, {"n": 1})))
        for collection in (self.lake, self.quarantine, self.links):
            while gaps and (found := collection.find_one({"_n": {"$in": gaps}}, {"_n": 1})):
                self._discard(found["_n"])
                gaps.remove(found["_n"])

    # Links

    def _insert_links(self, n: int, links: Links) -> None:
        hides, repeats = packed_hides(links), packed_repeats(links)
        records = [
            LinkDocument(other=other, hides=hides.get(other), repeats=repeats.get(other))
            for other in sorted({*hides, *repeats})
        ]
        if records:
            self.links.insert_many(
                [{**document_of(record), "_id": f"{n}:{at}", "_n": n} for at, record in enumerate(records)],
                ordered=False,
            )

    def links_of(self, n: int) -> Links:
        """The links of a commit."""
        found = sorted((record_of(d, LinkDocument) for d in self.links.find({"_n": n})), key=lambda link: link.other)
        return unpacked(
            [(link.other, link.hides) for link in found if link.hides],
            [(link.other, link.repeats) for link in found if link.repeats],
        )

    def hides(self, commits: Sequence[Commit]) -> Hides:
        """Which rows don't stand, by the links of these commits."""

        def read() -> Iterator[tuple[int, str, PackedRows]]:
            wanted = {"_n": {"$gte": commits[0][0], "$lte": commits[-1][0]}}
            for document in self.links.find(wanted, {"repeats": 0}):
                link = record_of(document, LinkDocument)
                if link.hides:
                    yield document["_n"], link.other, link.hides

        return Hides(commits, read)


def hidden_of(commits: Iterable[Commit], hides: Hides) -> HiddenOf:
    """What of some commits' rows doesn't stand, by their numbers."""
    found = {n: (manifest.batch_id, hides.of(n, manifest)) for n, manifest in commits}
    return {
        n: {batch or own: set(rows.tolist()) for batch, rows in hidden.items()}
        for n, (own, hidden) in found.items()
        if hidden
    }


def is_hidden(document: Document, hidden: HiddenOf) -> bool:
    """Whether a shot's document, with its number and address, doesn't stand."""
    of = hidden.get(document["_n"])
    return of is not None and document.get("row") in of.get(document.get("batch_id", ""), ())


def standing(found: Iterable[Document], hidden: HiddenOf) -> Iterator[Document]:
    """The documents that stand, under the `_id` that their shots have."""
    for document in found:
        if not is_hidden(document, hidden):
            document["_id"] = document["_id"].partition(RENAMED)[0]
            yield document


def _renamed(shot: Document) -> str:
    """An `_id` that no other document has, for a shot whose own may be held by another."""
    return f"{shot['_id']}{RENAMED}{shot['_n']}:{shot['row']}"


def _lost() -> LockLostError:
    return LockLostError("the lock on ingesting was lost to another process; the batch is offered again")


def _gaps(committed: Sequence[int]) -> list[int]:
    """Numbers up to the last committed one that were never committed: few, one for each failed attempt."""
    return sorted(set(range(1, committed[-1] + 1)) - set(committed)) if committed else []


def numbers(field: str, committed: Sequence[int]) -> Document:
    """Query for these numbers as a range without the few gaps, so that it stays small for thousands of batches."""
    gaps = [gap for gap in _gaps(committed) if gap > committed[0]]
    between: Document = {"$gte": committed[0], "$lte": committed[-1]}
    return {field: {**between, "$nin": gaps} if gaps else between}


def next_number(meta: Documents[Document], counter: str) -> int:
    """The next number of a counter; none is given twice."""
    return int(upserted(meta, f"counter:{counter}", {"$inc": {"value": 1}})["value"])


def upserted(collection: Documents[Document], key: str, update: Document) -> Document:
    """The document of a key after an update in one write, created if it wasn't there."""
    found = collection.find_one_and_update({"_id": key}, update, upsert=True, return_document=ReturnDocument.AFTER)
    if found is None:
        raise StoreError(f"MongoDB gave no answer to an update of {key} in {collection.full_name}; run again")
    return found
