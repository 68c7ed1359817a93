"""Shots summed up by zone: rates for people to read, and the baseline that a first champion must beat."""

from __future__ import annotations

import numpy as np

from parivision_core.arrays import Array, Columns, Float32s, Floats
from parivision_core.nba import court
from parivision_core.nba.shots.history.feature_state import FeatureState
from parivision_core.nba.shots.inputs import features
from parivision_core.sport import Rate


def league_rates(current: FeatureState) -> list[Rate]:
    """Make rate of each zone by the feature state's league table; a shot counts half after 60 days with games."""
    shots, makes = current.league.zones
    return [
        Rate(group=name, weight=round(float(shots[z]), 1), make_rate=float(makes[z] / shots[z]))
        for z, name in court.ZONES.items()
        if shots[z] > 0
    ]


def zone_rates(train: Float32s, made: Array, shots: Float32s) -> Floats:
    """Make rate of each shot's zone among the training shots: the baseline that a first champion must beat."""
    zones = [features.NAMES.index(name) for name in features.ZONES]
    attempts, makes = train[:, zones].sum(axis=0), np.asarray(made, dtype=np.float64) @ train[:, zones]
    # One extra shot at the overall rate keeps a zone without shots away from 0 and 1.
    rates = (makes + np.mean(made)) / (attempts + 1)
    return np.asarray(shots[:, zones] @ rates, dtype=np.float64)


def zone_breakdown(shots: Columns) -> list[tuple[str, int, float]]:
    """Name, shots and make rate of each zone that has any."""
    zone = court.zone(shots["x"], shots["y"])
    return [
        (name, int((zone == z).sum()), float(np.mean(shots["made"][zone == z])))
        for z, name in court.ZONES.items()
        if (zone == z).any()
    ]


def distance_agreement(shots: Columns) -> float:
    """Share of shots whose whole feet from the hoop equal the stated distance."""
    return float(np.mean(court.feet(shots["x"], shots["y"]) == shots["stated_distance"]))
