"""NBA shots: contract, history, inputs and summaries, gathered in `NBA`."""

from __future__ import annotations

from parivision_core.nba import teams
from parivision_core.nba.shots import contract, filters, monitored, seasons, source, summaries
from parivision_core.nba.shots.history import feature_state
from parivision_core.nba.shots.inputs import (
    court_grid,
    drifted,
    features,
    many,
    occlusion,
    original,
    request,
)
from parivision_core.sport import Sport

NBA = Sport(
    name="nba",
    registered_model="parivision",
    lake="parivision_raw",
    warehouse="parivision_processed",
    asset_prefix=(),
    fields=contract.FIELDS,
    identity=contract.IDENTITY,
    match=contract.MATCH,
    parse=source.parse,
    feature_names=features.NAMES,
    schema=features.schema_version(),
    base_fingerprint=feature_state.base_fingerprint(),
    monitored=monitored.COLUMNS,
    masks=features.MASKS,
    profiles=request.PROFILES,
    plausible_accuracy=0.66,
    empty_feature_state=features.empty_feature_state,
    load_feature_state=feature_state.FeatureState.from_record,
    warm_up=feature_state.FeatureState.warm_up,
    fold=features.fold,
    baseline=summaries.zone_rates,
    part_of=seasons.part_of,
    part_bounds=seasons.bounds,
    breakdown=summaries.zone_breakdown,
    check_location=summaries.distance_agreement,
    request=request.ShotRequest,
    details=request.ShotDetails,
    problems=request.problems,
    shot_key=request.shot_key,
    prepare=request.prepare,
    doubtful=many.doubtful,
    prepare_many=many.prepare_many,
    occlusions=occlusion.occlusions,
    surface=court_grid.SURFACE,
    shot_keys=many.shot_keys,
    find_players=feature_state.FeatureState.find_players,
    teams=teams.CARDS,
    filters=filters.FILTERS,
    rates=summaries.league_rates,
    original=original.ORIGINAL,
    from_afar=drifted.from_afar,
)
