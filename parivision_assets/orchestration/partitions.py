"""Batches as dynamic partitions, and the ranges of them that one run can take."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from parivision_assets.orchestration.keys import INGEST_TAG

if TYPE_CHECKING:
    from parivision_core.sport import Sport

RANGE_START_TAG, RANGE_END_TAG = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
"""With these tags of Dagster's, one run materializes all partitions of a range."""


def batches_of(sport: Sport) -> dg.DynamicPartitionsDefinition:
    """One partition per batch that a feed has offered."""
    return dg.DynamicPartitionsDefinition(name=f"{sport.name}_batches")


def add_batches(instance: dg.DagsterInstance, sport: Sport, keys: Sequence[str]) -> Sequence[str]:
    """Add batches as partitions, whoever else adds them at the same time; all partitions in their order.

    Dagster looks which keys are there and then inserts the others: when another process has inserted one of them in
    between, its database refuses them all.
    """
    name = str(batches_of(sport).name)
    missing = list(keys)
    while missing:
        try:
            instance.add_dynamic_partitions(name, missing)
            break
        except Exception:  # which error it is depends on the database
            known = set(instance.get_dynamic_partitions(name))
            if known.isdisjoint(missing):
                raise
            missing = [key for key in missing if key not in known]
    return instance.get_dynamic_partitions(name)


def contiguous_ranges(keys: Collection[str], order: Sequence[str]) -> list[list[str]]:
    """Partitions in groups that are contiguous in `order`: one run can take one range."""
    position = {partition: at for at, partition in enumerate(order)}
    ordered = enumerate(sorted(keys, key=position.__getitem__))
    groups = itertools.groupby(ordered, key=lambda item: position[item[1]] - item[0])
    return [[key for _, key in group] for _, group in groups]


def ingest_tags(keys: Sequence[str], sport: Sport) -> dict[str, str]:
    """Tags of the run that takes a range of batches."""
    return {
        RANGE_START_TAG: keys[0],
        RANGE_END_TAG: keys[-1],
        INGEST_TAG: sport.name,
    }
