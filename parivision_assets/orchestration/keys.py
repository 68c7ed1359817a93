"""Asset keys, run tags and other names that several definitions share."""

from __future__ import annotations

import dagster as dg

from parivision_core.sport import Sport

OWNERS = ["team:ml-platform"]
TRAINING_TAG = "parivision/training"
"""On every run of a job that trains, judges and promotes; its value is the sport."""
INGEST_TAG = "parivision/ingest"
"""On every ingest run; its value is the sport."""
DRIFT_TAG = "parivision/drift"
"""On every run of the job that reports drift; its value is the sport."""
JUDGING_TAG = "parivision/judging"
"""On every run of the job that judges challengers alone; its value is the sport."""
DRIFT_CHECK = "no_drift"
"""Name of the drift report's check."""


def raw_shots_key(sport: Sport) -> dg.AssetKey:
    """Batches in the lake."""
    return dg.AssetKey([*sport.asset_prefix, "raw_shots"])


def shot_features_key(sport: Sport) -> dg.AssetKey:
    """The warehouse."""
    return dg.AssetKey([*sport.asset_prefix, "shot_features"])


def searched_parameters_key(sport: Sport) -> dg.AssetKey:
    """What the newest search found."""
    return dg.AssetKey([*sport.asset_prefix, "searched_parameters"])


def trained_model_key(sport: Sport) -> dg.AssetKey:
    """The newest candidate."""
    return dg.AssetKey([*sport.asset_prefix, "trained_model"])


def champion_model_key(sport: Sport) -> dg.AssetKey:
    """The version that holds the alias."""
    return dg.AssetKey([*sport.asset_prefix, "champion_model"])


def drift_report_key(sport: Sport) -> dg.AssetKey:
    """The champion's training window compared with the newest shots."""
    return dg.AssetKey([*sport.asset_prefix, "drift_report"])


def named(sport: Sport, name: str) -> str:
    """Name of a sensor or job of a sport."""
    return "_".join([*sport.asset_prefix, name])
