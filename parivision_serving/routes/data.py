"""GET /api/v1/data/summary: what the lake and the warehouse hold, and current make rates."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

import anyio
import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta

from parivision_core.records import withdrawn
from parivision_core.sport import Rate, Sport
from parivision_core.store.base import Store
from parivision_serving.prediction.champion import Watcher
from parivision_serving.web.answer_cache import AnswerCache
from parivision_serving.web.operations import answer_spec
from parivision_serving.web.problems import problem_specs

SECONDS = 3.0
"""Time for which a summary is cached; batches don't arrive every second."""


class LakeSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The shots as they were ingested."""

    batches: Annotated[int, Meta(description="Those that count: neither withdrawn ones nor the withdrawals.")]
    withdrawn: Annotated[int, Meta(description="Batches that were taken back.")]
    shots: int
    revised: Annotated[int, Meta(description="Records that a correction replaced.")]
    duplicates: Annotated[int, Meta(description="Rows of shots that were there already.")]
    quarantined: Annotated[int, Meta(description="Rows that broke the contract and haven't been replayed.")]
    feeds: Annotated[list[str], Meta(description="Names of the feeds that brought them.")]
    first_date: Annotated[str | None, Meta(description="ISO date of the first game; null while there is none.")]
    last_date: str | None
    last_batch_at: Annotated[
        int | None, Meta(description="When the latest batch was committed, in milliseconds since 1970.")
    ]


class WarehouseSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The shots with their features."""

    shots: int
    batches: Annotated[int, Meta(description="Batches of the lake that it includes.")]
    seasons: Annotated[dict[str, int], Meta(description="Season -> its shots.")]
    feature_schema: str
    feature_state_stamp: str


class DataSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What the store holds."""

    lake: LakeSummary
    warehouse: WarehouseSummary
    make_rates: Annotated[
        list[Rate] | None,
        Meta(description="Make rates by group of shots, from the feature state in service; null while none is served."),
    ]
    feature_state_through: Annotated[
        str | None, Meta(description="ISO date of the last day in the feature state in service.")
    ]


EXAMPLE = {
    "lake": {
        "batches": 2,
        "withdrawn": 0,
        "shots": 408178,
        "revised": 3,
        "duplicates": 16,
        "quarantined": 0,
        "feeds": ["inbox"],
        "first_date": "2020-12-22",
        "last_date": "2023-04-09",
        "last_batch_at": 1_795_366_848_000,
    },
    "warehouse": {
        "shots": 408178,
        "batches": 2,
        "seasons": {"2021": 190971, "2023": 217207},
        "feature_schema": "81e0db45475aaa35",
        "feature_state_stamp": "a59a8f0e2a5c1b7d",
    },
    "make_rates": [{"group": "a group", "weight": 12345.6, "make_rate": 0.612}],
    "feature_state_through": "2023-04-09",
}


def data_route(sport: Sport, store: Store, watcher: Watcher) -> HTTPRouteHandler:
    """Build the handler."""
    cache = AnswerCache[tuple[LakeSummary, WarehouseSummary]](SECONDS)

    async def summaries() -> tuple[LakeSummary, WarehouseSummary]:
        return await anyio.to_thread.run_sync(lambda: (lake_summary(store), warehouse_summary(store)))

    @get(
        "/api/v1/data/summary",
        operation_id="data_summary",
        summary="What the store holds",
        description="Counts of the lake and the warehouse, and make rates from the feature state in service, in which "
        "recent games weigh most.",
        tags=["data"],
        responses=answer_spec(DataSummary, "The summary.", EXAMPLE)
        | problem_specs(HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INTERNAL_SERVER_ERROR),
    )
    async def data_summary() -> DataSummary:
        lake, warehouse = await cache.get("", summaries)
        pair = watcher.pair
        return DataSummary(
            lake=lake,
            warehouse=warehouse,
            make_rates=sport.rates(pair.feature_state) if pair else None,
            feature_state_through=pair.record.through if pair else None,
        )

    return data_summary


def lake_summary(store: Store) -> LakeSummary:
    """Summary of the lake, from its manifests."""
    manifests = store.manifests()
    gone = withdrawn(manifests)
    counting = [m for m in manifests if m.batch_id not in gone and not m.withdraws]
    resolved = {place for m in counting for place in m.resolves if place[0] not in gone}
    return LakeSummary(
        batches=len(counting),
        withdrawn=sum(m.batch_id in gone and not m.withdraws for m in manifests),
        shots=sum(m.added for m in manifests),
        revised=sum(m.revised for m in counting),
        duplicates=sum(m.duplicates for m in counting),
        quarantined=sum(m.quarantined for m in counting) - len(resolved),
        feeds=sorted({m.feed for m in counting}),
        first_date=min((m.first_date for m in manifests if m.first_date and m.batch_id not in gone), default=None),
        last_date=max((m.last_date for m in manifests if m.last_date and m.batch_id not in gone), default=None),
        last_batch_at=max((manifest.committed_at for manifest in manifests), default=None),
    )


def warehouse_summary(store: Store) -> WarehouseSummary:
    """Summary of the warehouse, from its state."""
    state = store.warehouse_state()
    return WarehouseSummary(
        shots=state.rows,
        batches=len(state.batches),
        seasons=store.warehouse_parts(),
        feature_schema=state.schema,
        feature_state_stamp=state.feature_state_stamp,
    )
