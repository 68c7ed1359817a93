"""Basketball: the contract of a shot, the court, the form and the features, gathered in `NBA`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from parivision_core.nba import contract, court, features, form, request
from parivision_core.sport import Columns, Features, Parsed, Sport

if TYPE_CHECKING:
    import pandas as pd


def _parse(raw: pd.DataFrame) -> Parsed:
    from parivision_core.nba.layouts import parse  # noqa: PLC0415 - pandas is for the pipeline alone

    return parse(raw)


def _fold(before: form.Form, shots: Columns) -> tuple[Features, Features, form.Form]:
    history, after = form.fold(before, shots)
    matrix, offset = features.build(shots, history)
    return matrix, offset, after


def _empty_form() -> form.Form:
    return form.Form(schema=features.schema_version())


def zone_rates(train: Columns, shots: Columns) -> NDArray[np.float64]:
    """Make rate of each shot's zone among the training shots: the baseline a first champion must beat."""
    zone, made = court.zone(train["x"], train["y"]), np.asarray(train["made"], dtype=np.float64)
    attempts = np.bincount(zone, minlength=8)
    makes = np.bincount(zone, weights=made, minlength=8)
    # One extra shot at the overall rate keeps a zone without shots away from 0 and 1.
    rates: NDArray[np.float64] = (makes + made.mean()) / (attempts + 1)
    return rates[court.zone(shots["x"], shots["y"])]


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
    fields=contract.FIELDS,
    identity=contract.IDENTITY,
    match=contract.MATCH,
    parse=_parse,
    feature_names=features.NAMES,
    schema=features.schema_version(),
    base_fingerprint=form.base_fingerprint(),
    masks=features.MASKS,
    mask_rates={"player_id": 0.15, "team": 0.2, "opponent": 0.2, "home": 0.2, "kind": 0.5},
    empty_form=_empty_form,
    load_form=form.Form.from_record,
    fold=_fold,
    baseline=zone_rates,
    breakdown=zone_breakdown,
    check_location=distance_agreement,
    request=request.ShotRequest,
    details=request.ShotDetails,
    problems=request.problems,
    prepare=request.prepare,
)
