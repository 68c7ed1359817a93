"""Fitting: masked inputs, both models, sane failures, and candidates that are defective."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parivision_assets.steps import fitting
from parivision_assets.steps.converting import to_onnx
from parivision_assets.steps.soundness import defects
from parivision_core import bundle
from parivision_core.nba import NBA
from parivision_core.problems import PariVisionError
from parivision_core.scoring import Scores, score
from tests.core.test_bundle import card_of, rows


def test_each_optional_input_is_left_out_on_its_share_of_rows() -> None:
    ones = fitting.Rows(
        np.ones((20_000, len(NBA.feature_names)), np.float32), np.zeros(20_000, np.float32), np.zeros(20_000, np.int8)
    )
    masked = fitting.masked(ones, NBA).features
    for name, rate in NBA.mask_rates.items():
        columns = [NBA.feature_names.index(c) for c in NBA.masks[name]]
        gone = (masked[:, columns] == 0).all(axis=1)
        assert gone.mean() == pytest.approx(rate, abs=0.02)
        assert ((masked[:, columns] == 0).any(axis=1) == gone).all()
    kept = [i for i, n in enumerate(NBA.feature_names) if not any(n in c for c in NBA.masks.values())]
    assert (masked[:, kept] == 1).all()


def test_every_mask_has_a_rate() -> None:
    assert set(NBA.masks) == set(NBA.mask_rates)


def test_the_best_model_comes_first_and_beats_the_offset_alone() -> None:
    train, validation = rows(6000, 0), rows(2000, 1)
    ranking = fitting.fit_all(train, validation, NBA)
    assert {f.name for f, _ in ranking} == {"xgboost", "logistic"}
    assert ranking[0][1].log_loss <= ranking[1][1].log_loss
    offset_alone = score(validation.made, 1 / (1 + np.exp(-validation.offset)))
    assert ranking[0][1].log_loss < offset_alone.log_loss
    for fitted, _ in ranking:
        assert sum(fitted.importance.values()) == pytest.approx(1)
        assert next(iter(fitted.importance)) == NBA.feature_names[3]


def test_the_same_rows_give_the_same_model() -> None:
    train, validation = rows(2000, 0), rows(500, 1)
    one, other = (fitting.fit_all(train, validation, NBA)[0][0] for _ in range(2))
    assert np.array_equal(
        one.predict(validation.features, validation.offset), other.predict(validation.features, validation.offset)
    )


def test_one_outcome_or_values_that_are_not_finite_are_refused() -> None:
    train, validation = rows(200, 0), rows(100, 1)
    with pytest.raises(PariVisionError, match="both makes and misses"):
        fitting.fit_all(fitting.Rows(train.features, train.offset, np.ones(200, np.int8)), validation, NBA)
    broken = train.features.copy()
    broken[3, 3] = np.inf
    with pytest.raises(PariVisionError, match="aren't finite"):
        fitting.fit_all(fitting.Rows(broken, train.offset, train.made), validation, NBA)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[bundle.Bundle, np.ndarray, Scores]:
    fitted = fitting.fit_logistic(rows(3000, 0), rows(10, 1), NBA)
    graph = to_onnx(fitted, len(NBA.feature_names))
    folder: Path = tmp_path_factory.mktemp("bundle")
    loaded = bundle.load(folder, bundle.save(folder, graph, card_of(fitted, graph)))
    fresh = rows(4000, 5)
    p = fitted.predict(fresh.features, fresh.offset)
    return loaded, p, score(fresh.made, p)


def test_a_sound_candidate_has_no_defects(sound: tuple[bundle.Bundle, np.ndarray, Scores]) -> None:
    loaded, p, scores = sound
    assert defects(loaded, NBA, scores, p, p.astype(np.float32)) == []


def test_each_defect_is_named(sound: tuple[bundle.Bundle, np.ndarray, Scores]) -> None:
    import dataclasses

    import msgspec

    loaded, p, scores = sound
    served = p.astype(np.float32)

    def found(**changes: float) -> str:
        return "; ".join(defects(loaded, NBA, msgspec.structs.replace(scores, **changes), p, served))

    assert "log_loss" in found(log_loss=float("nan"))
    assert "calibration is broken: expected error" in found(ece=0.2)
    assert "calibration is broken: slope" in found(slope=0.3)
    assert found(ece=0.2, rows=100) == ""
    assert "differs from the trainer" in "; ".join(defects(loaded, NBA, scores, p + 0.01, served))
    assert "than probabilities" in "; ".join(defects(loaded, NBA, scores, p, served * np.nan))
    other = dataclasses.replace(loaded, card=msgspec.structs.replace(loaded.card, schema="old"))
    assert "schema" in "; ".join(defects(other, NBA, scores, p, served))
