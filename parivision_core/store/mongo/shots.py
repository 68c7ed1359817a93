"""Finds shots among the lake's documents, newest first."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.collection import Collection

from parivision_core.records import Manifest
from parivision_core.store.mongo.connection import Document
from parivision_core.store.shots import DAY, ENVELOPE, ID, ShotQuery

INTERNAL = ("_n", *ENVELOPE)
"""Fields of a document that are no part of its shot."""
READ = 1_000
"""Documents fetched at once."""


def newest(
    lake: Collection[Document],
    numbers: Document,
    batches: Sequence[Manifest],
    query: ShotQuery,
    limit: int,
    columns: Sequence[str] | None,
) -> list[Document]:
    """The first `limit` shots that match a query, among the commits `numbers` of the `batches` that may hold them.

    They are read by day, along the index; within a day ids decide, so the last day is read to its end.
    """
    first = max(filter(None, [min(m.first_date or "" for m in batches), query.since]), default="")
    last = min(filter(None, [max(m.last_date or "" for m in batches), query.last_day]))
    condition: Document = {**numbers, DAY: {"$gte": first, "$lte": last}}
    for field, values in query.where.items():
        condition[field] = values[0] if len(values) == 1 else {"$in": list(values)}
    shown = dict.fromkeys(INTERNAL, 0) if columns is None else dict.fromkeys([*columns, DAY, ID], 1)
    found: list[Document] = []
    # The server chooses an index by a short trial, which misleads it when a season was ingested early.
    with lake.find(condition, shown, batch_size=READ).hint([(DAY, 1)]).sort(DAY, -1) as documents:
        for document in documents:
            if len(found) >= limit and document[DAY] < found[-1][DAY]:
                break
            if query.after is None or (document[DAY], document[ID]) < query.after:
                found.append(document)
    found = sorted(found, key=lambda shot: (shot[DAY], shot[ID]), reverse=True)[:limit]
    return found if columns is None else [{name: shot.get(name) for name in columns} for shot in found]
