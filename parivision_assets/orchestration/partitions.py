"""Batches as dynamic partitions, and the ranges of them that one run can take."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

if TYPE_CHECKING:
    from parivision_core.sport import Sport

INGEST_TAG = "parivision/ingest"
"""On every ingest run; its value is the sport."""


def batches_of(sport: Sport) -> dg.DynamicPartitionsDefinition:
    """One partition per batch that a feed has offered."""
    return dg.DynamicPartitionsDefinition(name=f"{sport.name}_batches")


def stretches(keys: Collection[str], order: Sequence[str]) -> list[list[str]]:
    """Partitions in groups of neighbours in their order; each group is a range, and a run can take a range."""
    place = {partition: at for at, partition in enumerate(order)}
    ordered = enumerate(sorted(keys, key=place.__getitem__))
    groups = itertools.groupby(ordered, key=lambda item: place[item[1]] - item[0])
    return [[key for _, key in group] for _, group in groups]


def ingest_tags(keys: Sequence[str], sport: Sport) -> dict[str, str]:
    """Tags of the run that takes a range of batches."""
    return {
        ASSET_PARTITION_RANGE_START_TAG: keys[0],
        ASSET_PARTITION_RANGE_END_TAG: keys[-1],
        INGEST_TAG: sport.name,
    }
