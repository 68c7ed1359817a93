"""Explanations: effects of what was given alone, from one call, with the signs that a real feature state implies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from parivision_core.nba.shots import NBA
from parivision_core.scoring import sigmoid
from parivision_serving.prediction.champion import Pair
from parivision_serving.prediction.explaining import Explanation, explain
from tests.helpers.serving_setup import FULL_SHOT, SHOT, make_bundle, make_feature_state
from tests.helpers.shot_requests import FEATURE_STATE, requests
from tests.helpers.small_app import watcher_of

EVERYTHING = FULL_SHOT | {"rest_days": 2, "arena": "GSW", "earlier_shots": []}
CALLED = {"player_id": "shooter"}


class Plain:
    """A model that adds all strengths of the feature state to the log odds. It counts its calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.columns = [i for i, name in enumerate(NBA.feature_names) if name.endswith("_residual")]

    def predict(self, features: np.ndarray, offset: np.ndarray) -> np.ndarray:
        self.calls += 1
        return sigmoid(offset + features[:, self.columns].sum(axis=1)).astype(np.float32)


def pair_of(feature_state: Any, model: Any) -> Any:
    """A pair of these two alone."""
    return replace(Pair(None, None, None, None), bundle=model, feature_state=feature_state)  # type: ignore[arg-type]


def changes(body: Explanation) -> dict[str, float]:
    return {effect.by: effect.change for effect in body.effects}


@given(requests)
def test_only_inputs_that_were_given_have_effects(requested: dict[str, Any]) -> None:
    model = Plain()
    body = explain(pair_of(FEATURE_STATE, model), NBA, msgspec.convert(requested, NBA.request))
    optional = {CALLED.get(name, name) for name in NBA.masks if requested.get(name) is not None}
    assert {effect.by for effect in body.effects} == {"spot", "clock"} | optional
    assert model.calls == 1
    sizes = [abs(effect.change) for effect in body.effects]
    assert sizes == sorted(sizes, reverse=True)
    assert 0 < body.league_make_rate < 1


def test_an_input_is_hidden_as_training_hides_it(tmp_path: Path) -> None:
    bundle, record = make_bundle(tmp_path, 1), make_feature_state(1)
    pair = watcher_of(bundle, record).pair
    assert pair is not None

    def probability(shot: dict[str, Any]) -> float:
        prepared = NBA.prepare(msgspec.convert(shot, NBA.request), pair.feature_state)
        return float(bundle.predict(prepared.features, prepared.offset)[0])

    body = changes(explain(pair, NBA, msgspec.convert(EVERYTHING, NBA.request)))
    for name in NBA.masks:
        without = {field: value for field, value in EVERYTHING.items() if field != name}
        expected = probability(EVERYTHING) - probability(without)
        assert body[CALLED.get(name, name)] == pytest.approx(expected, abs=1e-6), name
    clocks = [
        probability(EVERYTHING | {"period": p, "seconds_remaining": s})
        for p in (1, 2, 3, 4)
        for s in range(60, 720, 120)
    ]
    assert body["clock"] == pytest.approx(probability(EVERYTHING) - np.mean(clocks), abs=1e-6)


def test_a_feature_state_without_shots_can_be_explained(tmp_path: Path) -> None:
    body = explain(
        pair_of(NBA.empty_feature_state(), make_bundle(tmp_path, 1)), NBA, msgspec.convert(EVERYTHING, NBA.request)
    )
    assert np.isfinite([effect.change for effect in body.effects]).all()
    assert 0.2 < body.league_make_rate < 0.7


@pytest.fixture(scope="module")
def real(real_data: Path) -> Any:
    """The feature state after the sample's shots, with the plain model."""
    raw = pd.read_csv(real_data / "NBA Shot Locations 1997 - 2020 (sample).csv", dtype=str, keep_default_na=False)
    parsed = NBA.parse(raw)
    shots = parsed.shots[parsed.reasons == ""].sort_values("game_date", kind="stable")
    return pair_of(NBA.fold(NBA.empty_feature_state(), {name: shots[name].to_numpy() for name in shots})[2], Plain())


@pytest.mark.real
def test_a_spot_is_worth_what_the_league_makes_there(real: Any) -> None:
    """Without context the model is the league's table: the spot's effect is the distance from the league's mean."""
    rim = explain(real, NBA, msgspec.convert(SHOT | {"x": 0, "y": 5}, NBA.request))
    assert changes(rim)["spot"] > 0.1
    far = explain(real, NBA, msgspec.convert(SHOT | {"x": 0, "y": 400}, NBA.request))
    assert changes(far)["spot"] < -0.05
    assert rim.league_make_rate == far.league_make_rate == pytest.approx(0.43, abs=0.03)
    prepared = NBA.prepare(msgspec.convert(SHOT | {"x": 0, "y": 5}, NBA.request), real.feature_state)
    assert changes(rim)["spot"] == pytest.approx(prepared.league_average - rim.league_make_rate, abs=0.003)


@pytest.mark.real
def test_good_and_bad_shooters_have_effects_of_opposite_signs(real: Any) -> None:
    shooters = real.feature_state.sums["shooter"]
    strength = real.feature_state.strengths["shooter"]
    best, worst = (int(shooters.keys[at(strength)]) for at in (np.argmax, np.argmin))
    for player, sign in ((best, 1), (worst, -1)):
        body = changes(explain(real, NBA, msgspec.convert(SHOT | {"player_id": player}, NBA.request)))
        assert body["shooter"] * sign > 0.01
    unknown = changes(explain(real, NBA, msgspec.convert(SHOT | {"player_id": 2**40}, NBA.request)))
    assert unknown["shooter"] == 0


@pytest.mark.real
def test_a_kind_of_shot_takes_over_the_effect_of_the_spot(real: Any) -> None:
    """A dunk is taken at the rim: once its kind is known, the spot adds little."""
    at_rim = SHOT | {"x": 0, "y": 5}
    dunk, plain = (
        changes(explain(real, NBA, msgspec.convert(shot, NBA.request))) for shot in (at_rim | {"kind": "dunk"}, at_rim)
    )
    assert abs(dunk["spot"]) < plain["spot"] / 3
    assert dunk["kind"] > 0.01
