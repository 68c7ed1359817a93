"""What VirtualBets answers, as structs: the OpenAPI page and the JSON on the wire both come from here."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import Meta


class ListedBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch that can be had."""

    id: str
    cursor: Annotated[int, Meta(description="Counts the announcements from 1.")]
    fingerprint: Annotated[str, Meta(description="sha256 of exactly the bytes that GET /batches/{id} answers.")]
    rows: Annotated[int, Meta(description="Documents that the batch should have.")]
    first_date: dt.date
    last_date: dt.date


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """Batches by cursor."""

    world: Annotated[str, Meta(description="What ids and cursors refer to; another world begins at cursor 0.")]
    batches: list[ListedBatch]
    next: Annotated[int, Meta(description="To be given as `after` next time.")]
    newest: Annotated[int, Meta(description="Cursor of the newest batch; equal to `next` when all are listed.")]


class Reset(msgspec.Struct, frozen=True, kw_only=True):
    """The counter is back at the first document."""

    status: str = "reset"
    counter: int = 0


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Where the simulated world stands."""

    world: str
    scenario: str
    seed: int
    days_a_minute: float
    today: Annotated[dt.date, Meta(description="The last simulated day that is over.")]
    season: Annotated[int, Meta(description="Season of the newest batch, counted from 1.")]
    waits: Annotated[bool, Meta(description="Whether the days stand still until somebody reads more batches.")]
    finished: Annotated[bool, Meta(description="Whether there will be no more batches.")]
    batches: Annotated[int, Meta(description="Batches that can be had, which is also the newest cursor.")]
    counter: Annotated[int, Meta(description="Documents handed out by GET /getdata since the last reset.")]
    documents_served: Annotated[int, Meta(description="Documents handed out by GET /getdata in all.")]


class FeedWelcome(msgspec.Struct, frozen=True, kw_only=True):
    """Where to go from here."""

    status: str = "alive"
    batches: str = "/batches"
    next_documents: str = "/getdata/{n}"
    reset: str = "/getdata/reset"
    world: str = "/status"
    documentation: str = "/schema"
    openapi: str = "/schema/openapi.json"
