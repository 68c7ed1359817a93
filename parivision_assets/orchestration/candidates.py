"""Which candidate a check or a promotion is about: the one that its own run trained, else the newest registered."""

from __future__ import annotations

import dagster as dg

from parivision_assets.orchestration.keys import trained_model_key
from parivision_assets.tracking.registry import ModelRegistry
from parivision_core.sport import Sport


def candidate_of(run_id: str, instance: dg.DagsterInstance, models: ModelRegistry, sport: Sport) -> int | None:
    """Version of the candidate; None before the first.

    Two trainings may overlap, and each run must judge the candidate that it trained itself.
    """
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    for record in records:
        made = record.asset_materialization
        if made is not None and made.asset_key == trained_model_key(sport):
            return int(str(made.metadata["version"].value))
    return models.newest()
