"""GET /api/v1/data/summary: what the lake and the warehouse hold, and current make rates."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

import anyio
import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta

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

    batches: int
    shots: int
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
        "shots": 408178,
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
    resolved = {row for manifest in manifests for row in manifest.resolves}
    return LakeSummary(
        batches=len(manifests),
        shots=sum(manifest.inserted for manifest in manifests),
        duplicates=sum(manifest.duplicates for manifest in manifests),
        quarantined=sum(manifest.quarantined for manifest in manifests) - len(resolved),
        feeds=sorted({manifest.feed for manifest in manifests}),
        first_date=min((manifest.first_date for manifest in manifests if manifest.first_date), default=None),
        last_date=max((manifest.last_date for manifest in manifests if manifest.last_date), default=None),
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
