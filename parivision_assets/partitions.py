"""Batches as dynamic partitions, and the ranges of them that one run can take."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

if TYPE_CHECKING:
    from parivision_assets.feeds.base import Batch
    from parivision_core.sport import Sport

INGEST_TAG = "parivision/ingest"
"""On every ingest run; its value is the sport."""


def batches_of(sport: Sport) -> dg.DynamicPartitionsDefinition:
    """One partition per batch that a feed has offered."""
    return dg.DynamicPartitionsDefinition(name=f"{sport.name}_batches")


def stretches(due: list[Batch], order: list[str]) -> list[list[Batch]]:
    """Batches in groups of neighbours in the partitions' order; each group is a range, and a run can take a range."""
    place = {partition: at for at, partition in enumerate(order)}
    ordered = enumerate(sorted(due, key=lambda batch: place[batch.id]))
    groups = itertools.groupby(ordered, key=lambda item: place[item[1].id] - item[0])
    return [[batch for _, batch in group] for _, group in groups]


def ingest_tags(batches: list[Batch], sport: Sport) -> dict[str, str]:
    """Tags of the run that takes a range of batches."""
    return {
        ASSET_PARTITION_RANGE_START_TAG: batches[0].id,
        ASSET_PARTITION_RANGE_END_TAG: batches[-1].id,
        INGEST_TAG: sport.name,
    }
