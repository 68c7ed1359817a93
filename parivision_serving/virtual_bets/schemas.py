"""The answers of VirtualBets as structs; the OpenAPI page and the JSON are made from them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import Meta


class ListedBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch that can be fetched."""

    id: str
    cursor: Annotated[int, Meta(description="Counts the announcements from 1.")]
    fingerprint: Annotated[str, Meta(description="sha256 of exactly the bytes that GET /batches/{id} answers.")]
    rows: Annotated[int, Meta(description="Documents that the batch should have.")]
    first_date: dt.date
    last_date: dt.date


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """Batches by cursor."""

    source: Annotated[str, Meta(description="What ids and cursors refer to; another source begins at cursor 0.")]
    batches: list[ListedBatch]
    next: Annotated[int, Meta(description="Give it as `after` in the next request.")]
    newest: Annotated[int, Meta(description="Cursor of the newest batch; equal to `next` when all are listed.")]


class Reset(msgspec.Struct, frozen=True, kw_only=True):
    """The counter is back at the first document."""

    status: str = "reset"
    counter: int = 0


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How far the simulation is."""

    source: str
    scenario: str
    seed: int
    days_a_minute: float
    today: Annotated[dt.date, Meta(description="The last simulated day that is over.")]
    season: Annotated[int, Meta(description="Season of the newest batch, counted from 1.")]
    waits: Annotated[bool, Meta(description="Whether simulated time stands still until a client reads more batches.")]
    finished: Annotated[bool, Meta(description="Whether there will be no more batches.")]
    batches: Annotated[int, Meta(description="Batches announced so far, which is also the newest cursor.")]
    counter: Annotated[int, Meta(description="Documents handed out by GET /getdata since the last reset.")]
    documents_served: Annotated[int, Meta(description="Documents handed out by GET /getdata in all.")]


class FeedWelcome(msgspec.Struct, frozen=True, kw_only=True):
    """Where to go from here."""

    status: str = "alive"
    batches: str = "/batches"
    next_documents: str = "/getdata/{n}"
    reset: str = "/getdata/reset"
    progress: str = "/status"
    documentation: str = "/schema"
    openapi: str = "/schema/openapi.json"
