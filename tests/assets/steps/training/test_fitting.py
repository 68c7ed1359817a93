"""Fitting: masked inputs, every model, models that fail, and defective candidates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parivision_assets.steps.training import choosing, fitting
from parivision_assets.steps.training.choosing import fit_all
from parivision_assets.steps.training.converting import to_onnx
from parivision_assets.steps.training.soundness import defects
from parivision_core import bundle
from parivision_core.nba.shots import NBA
from parivision_core.problems import PariVisionError
from parivision_core.scoring import Scores, score
from tests.helpers.bundles import card_of, rows


def test_each_optional_input_is_left_out_on_its_share_of_rows() -> None:
    ones = fitting.TrainingRows(
        np.ones((20_000, len(NBA.feature_names)), np.float32), np.zeros(20_000, np.float32), np.zeros(20_000, np.int8)
    )
    masked = fitting.masked(ones, NBA).features
    for name, columns in NBA.masks.items():
        # A column may belong to two inputs, and goes with either.
        own = [c for c in columns if sum(c in others for others in NBA.masks.values()) == 1]
        gone = masked[:, [NBA.feature_names.index(c) for c in own]] == 0
        share = sum(profile.share * profile.leaves_out.get(name, 0.0) for profile in NBA.profiles.values())
        assert gone.all(axis=1).mean() == pytest.approx(share, abs=0.02)
        assert (gone.any(axis=1) == gone.all(axis=1)).all()
    kept = [i for i, n in enumerate(NBA.feature_names) if not any(n in c for c in NBA.masks.values())]
    assert (masked[:, kept] == 1).all()


def test_the_best_model_comes_first_and_beats_the_offset_alone() -> None:
    train, validation = rows(6000, 0), rows(2000, 1)
    ranking, left_out = fit_all(train, validation, NBA)
    assert {f.name for f, _ in ranking} == {"xgboost", "logistic", "forest"}
    assert left_out == {}
    assert ranking[0][1].log_loss <= ranking[1][1].log_loss <= ranking[2][1].log_loss
    offset_alone = score(validation.made, 1 / (1 + np.exp(-validation.offset)))
    assert ranking[0][1].log_loss < offset_alone.log_loss
    for fitted, _ in ranking:
        assert sum(fitted.importance.values()) == pytest.approx(1)
        assert NBA.feature_names[3] in list(fitted.importance)[:2]  # beside the offset, where that is a column


def test_the_same_rows_give_the_same_model() -> None:
    train, validation = rows(2000, 0), rows(500, 1)
    one, other = (
        {f.name: f.predict(validation.features, validation.offset) for f, _ in fit_all(train, validation, NBA)[0]}
        for _ in range(2)
    )
    # Threads add a forest's trees up in any order, which moves the last digit.
    assert all(np.allclose(one[name], other[name], rtol=0, atol=1e-12) for name in one)


def test_one_outcome_or_values_that_are_not_finite_are_refused() -> None:
    train, validation = rows(200, 0), rows(100, 1)
    with pytest.raises(PariVisionError, match="both makes and misses"):
        fit_all(fitting.TrainingRows(train.features, train.offset, np.ones(200, np.int8)), validation, NBA)
    broken = train.features.copy()
    broken[3, 3] = np.inf
    with pytest.raises(PariVisionError, match="aren't finite"):
        fit_all(fitting.TrainingRows(broken, train.offset, train.made), validation, NBA)
    nothing = np.full(100, np.nan, np.float32)
    with pytest.raises(PariVisionError, match="aren't finite"):
        fit_all(train, fitting.TrainingRows(validation.features, nothing, validation.made), NBA)


def test_a_model_that_does_not_converge_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fitting.LOGISTIC, "max_iter", 1)
    ranking, left_out = fit_all(rows(600, 0), rows(200, 1), NBA)
    assert {f.name for f, _ in ranking} == {"xgboost", "forest"}
    assert left_out == {"logistic": "it didn't converge within 1 steps"}


def test_no_model_left_is_an_error_that_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> fitting.Fitted:
        raise ValueError("no memory for trees")

    def nowhere(*_: object) -> fitting.Fitted:
        return fitting.Fitted("forest", None, lambda f, o: np.full(len(o), np.nan), {})

    monkeypatch.setitem(fitting.LOGISTIC, "max_iter", 1)
    monkeypatch.setattr(choosing, "fit_xgboost", fail)
    monkeypatch.setattr(choosing, "fit_forest", nowhere)
    with pytest.raises(PariVisionError, match=r"logistic: it didn't converge.*forest: its pred.*xgboost: no memory"):
        fit_all(rows(600, 0), rows(200, 1), NBA)


def test_parameters_that_were_searched_replace_the_defaults() -> None:
    fitted = fitting.fit_xgboost(rows(600, 0), rows(200, 1), NBA, {"max_depth": 2})
    assert fitted.parameters["max_depth"] == 2
    assert fitted.parameters["eta"] == fitting.XGBOOST["eta"]


def test_the_forest_costs_the_same_on_more_rows() -> None:
    """Each tree sees a bounded sample; on fewer rows as many as there are."""
    assert fitting.fit_forest(rows(600, 0), rows(10, 1), NBA).parameters["max_samples"] == 600
    assert fitting.FOREST["max_samples"] * fitting.FOREST["n_estimators"] <= 2_000_000


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[bundle.Bundle, np.ndarray, Scores]:
    fitted = fitting.fit_logistic(rows(12_000, 0), rows(10, 1), NBA)
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
    assert "aren't probabilities" in "; ".join(defects(loaded, NBA, scores, p, served * np.nan))
    other = dataclasses.replace(loaded, card=msgspec.structs.replace(loaded.card, schema="old"))
    assert "schema" in "; ".join(defects(other, NBA, scores, p, served))
