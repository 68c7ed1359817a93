"""Finds shots among the lake's documents, newest first."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.collection import Collection

from parivision_core.records import Manifest
from parivision_core.store.mongo.commits import LOCATED, HiddenOf, standing
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
    hidden: HiddenOf | None,
) -> list[Document]:
    """The first `limit` shots that match a query, among the commits `numbers` of the `batches` that may hold them.

    They are read by day, along the index; within a day ids decide, so the last day is read to its end. `hidden` is
    None when no commit hides anything.
    """
    first = max(filter(None, [min(m.first_date or "" for m in batches), query.since]), default="")
    last = min(filter(None, [max(m.last_date or "" for m in batches), query.last_day]))
    condition: Document = {**numbers, DAY: {"$gte": first, "$lte": last}}
    for field, values in query.where.items():
        condition[field] = values[0] if len(values) == 1 else {"$in": list(values)}
    located = LOCATED if hidden is not None else ()
    left_out = dict.fromkeys((name for name in INTERNAL if name not in located), 0)
    shown = left_out if columns is None else dict.fromkeys([*columns, DAY, ID, *located], 1)
    found: list[Document] = []
    # The server chooses an index by a short trial, which misleads it when a season was ingested early.
    with lake.find(condition, shown, batch_size=READ).hint([(DAY, 1)]).sort(DAY, -1) as documents:
        for document in documents if hidden is None else standing(documents, hidden):
            if len(found) >= limit and document[DAY] < found[-1][DAY]:
                break
            if query.after is None or (document[DAY], document[ID]) < query.after:
                found.append(document)
    found = sorted(found, key=lambda shot: (shot[DAY], shot[ID]), reverse=True)[:limit]
    for document in found if columns is None else ():
        for name in located:
            document.pop(name, None)
    return found if columns is None else [{name: shot.get(name) for name in columns} for shot in found]
