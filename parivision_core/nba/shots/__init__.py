"""Basketball: the contract of a shot, the court, the feature state and the features, gathered in `NBA`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from parivision_core.arrays import Columns, Float32s
from parivision_core.nba import court, teams
from parivision_core.nba.shots import contract, filters, monitored
from parivision_core.nba.shots.history import feature_state
from parivision_core.nba.shots.inputs import court_grid as grid
from parivision_core.nba.shots.inputs import drifted, features, many, occlusion, original, request
from parivision_core.sport import Details, Parsed, Player, Rate, Sport

if TYPE_CHECKING:
    import pandas as pd


SEASON_START, SEASON_END = "10-13", "10-12"


def _parse(raw: pd.DataFrame, known: Details | None = None) -> Parsed:
    from parivision_core.nba.shots.source.parsing import parse  # noqa: PLC0415 - pandas is for the pipeline alone

    return parse(raw, known)


def _fold(before: feature_state.FeatureState, shots: Columns) -> tuple[Float32s, Float32s, feature_state.FeatureState]:
    history, after = feature_state.fold(before, shots)
    matrix, offset = features.build(shots, history)
    return matrix, offset, after


def _empty_feature_state() -> feature_state.FeatureState:
    return feature_state.FeatureState(schema=features.schema_version())


def _warm_up(current: feature_state.FeatureState) -> None:
    _ = current.lookup, current.roster


def league_rates(current: feature_state.FeatureState) -> list[Rate]:
    """Make rate of each zone by the feature state's league table, in which a shot counts half after 60 days with games."""
    shots, makes = current.league.zones
    return [
        Rate(group=name, weight=round(float(shots[z]), 1), make_rate=float(makes[z] / shots[z]))
        for z, name in court.ZONES.items()
        if shots[z] > 0
    ]


def _find_players(current: feature_state.FeatureState, search: str, limit: int) -> list[Player]:
    return current.roster.find(search, limit)


def zone_rates(train: Float32s, made: NDArray[Any], shots: Float32s) -> NDArray[np.float64]:
    """Make rate of each shot's zone among the training shots: the baseline a first champion must beat."""
    zones = [features.NAMES.index(f"zone_{z}") for z in court.ZONES]
    attempts, makes = train[:, zones].sum(axis=0), np.asarray(made, dtype=np.float64) @ train[:, zones]
    # One extra shot at the overall rate keeps a zone without shots away from 0 and 1.
    rates = (makes + np.mean(made)) / (attempts + 1)
    return np.asarray(shots[:, zones] @ rates, dtype=np.float64)


def season_part(date: str) -> str:
    """Year in which the season of an ISO date ends; a season begins on 13 October (the bubble's ended on the 11th)."""
    year = int(date[:4])
    return f"{year + 1 if date[5:] >= SEASON_START else year:04d}"


def season_bounds(part: str) -> tuple[str, str]:
    """First and last ISO date of a season's part of the warehouse."""
    year = int(part)
    return f"{year - 1:04d}-{SEASON_START}", f"{year:04d}-{SEASON_END}"


def zone_breakdown(shots: Columns) -> list[tuple[str, int, float]]:
    """Shots and make rate of each zone that has any."""
    zone = court.zone(shots["x"], shots["y"])
    return [
        (name, int((zone == z).sum()), float(np.mean(shots["made"][zone == z])))
        for z, name in court.ZONES.items()
        if (zone == z).any()
    ]


def distance_agreement(shots: Columns) -> float:
    """Share of shots whose whole feet from the hoop equal the stated distance."""
    return float(np.mean(court.feet(shots["x"], shots["y"]) == shots["stated_distance"]))


NBA = Sport(
    name="nba",
    registered_model="parivision",
    lake="parivision_raw",
    warehouse="parivision_processed",
    asset_prefix=(),
    fields=contract.FIELDS,
    identity=contract.IDENTITY,
    match=contract.MATCH,
    parse=_parse,
    feature_names=features.NAMES,
    schema=features.schema_version(),
    base_fingerprint=feature_state.base_fingerprint(),
    monitored=monitored.COLUMNS,
    masks=features.MASKS,
    callers=request.CALLERS,
    plausible_accuracy=0.66,
    empty_feature_state=_empty_feature_state,
    load_feature_state=feature_state.FeatureState.from_record,
    warm_up=_warm_up,
    fold=_fold,
    baseline=zone_rates,
    part_of=season_part,
    part_bounds=season_bounds,
    breakdown=zone_breakdown,
    check_location=distance_agreement,
    request=request.ShotRequest,
    details=request.ShotDetails,
    problems=request.problems,
    shot_key=request.shot_key,
    prepare=request.prepare,
    doubtful=many.doubtful,
    prepare_many=many.prepare_many,
    occlusions=occlusion.occlusions,
    surface=grid.SURFACE,
    shot_keys=many.shot_keys,
    find_players=_find_players,
    teams=teams.CARDS,
    filters=filters.FILTERS,
    rates=league_rates,
    original=original.ORIGINAL,
    from_afar=drifted.from_afar,
)
