"""The bundle: what is loaded is what was trained, or it isn't loaded."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from parivision_assets.steps.training import fitting
from parivision_assets.steps.training.calibrating import Calibrator
from parivision_assets.steps.training.converting import to_onnx
from parivision_core import bundle
from parivision_core.nba.shots import NBA
from parivision_core.problems import BundleError
from parivision_core.sport import Sport
from tests.helpers.bundles import card_of, rows

WIDTH = len(NBA.feature_names)


def fit_calibrated(train: fitting.TrainingRows, validation: fitting.TrainingRows, sport: Sport) -> fitting.Fitted:
    return fitting.fit_forest(train, validation, sport).calibrated(Calibrator("beta", 1.4, 0.8, 0.2))


@pytest.fixture(
    scope="module",
    params=[fitting.fit_xgboost, fitting.fit_logistic, fitting.fit_forest, fit_calibrated],
    ids=["xgboost", "logistic", "forest", "calibrated"],
)
def fitted(request: pytest.FixtureRequest) -> fitting.Fitted:
    model: fitting.Fitted = request.param(rows(3000, 0), rows(800, 1), NBA)
    return model


@pytest.fixture
def saved(fitted: fitting.Fitted, tmp_path: Path) -> tuple[Path, str]:
    graph = to_onnx(fitted, WIDTH)
    return tmp_path, bundle.save(tmp_path, graph, card_of(fitted, graph))


def test_the_graph_equals_the_trainer_with_its_offset(fitted: fitting.Fitted, saved: tuple[Path, str]) -> None:
    loaded = bundle.load(*saved)
    fresh = rows(5000, 3)
    trainer = fitted.predict(fresh.features, fresh.offset)
    assert np.abs(loaded.predict(fresh.features, fresh.offset) - trainer).max() < 1e-5
    rises = loaded.predict(fresh.features, fresh.offset + 1) > loaded.predict(fresh.features, fresh.offset)
    assert rises.mean() > 0.5 if fitted.name == "forest" else rises.all()  # which splits on the offset like on others


def test_one_row_answers_as_many_do(saved: tuple[Path, str]) -> None:
    loaded, fresh = bundle.load(*saved), rows(50, 4)
    together = loaded.predict(fresh.features, fresh.offset)
    alone = [loaded.predict(fresh.features[i : i + 1], fresh.offset[i : i + 1])[0] for i in range(50)]
    assert np.allclose(together, alone, atol=1e-6)


def test_a_bundle_fits_only_its_own_schema_and_base(saved: tuple[Path, str]) -> None:
    loaded = bundle.load(*saved)
    assert loaded.fits(NBA.schema, NBA.base_fingerprint)
    assert not loaded.fits("other", NBA.base_fingerprint)
    assert not loaded.fits(NBA.schema, "other")


def test_an_altered_graph_or_card_is_refused(saved: tuple[Path, str]) -> None:
    folder, sha256 = saved
    graph = folder / bundle.GRAPH
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(BundleError, match="was altered"):
        bundle.load(folder, sha256)
    graph.write_bytes(whole)
    card = folder / bundle.CARD
    card.write_bytes(card.read_bytes() + b" ")
    with pytest.raises(BundleError, match="the registry says"):
        bundle.load(folder, sha256)
    card.unlink()
    with pytest.raises(BundleError, match="incomplete"):
        bundle.load(folder, sha256)


def test_a_graph_that_answers_otherwise_is_refused(saved: tuple[Path, str]) -> None:
    folder, _ = saved
    card = msgspec.json.decode((folder / bundle.CARD).read_bytes(), type=bundle.Card)
    answers = msgspec.structs.replace(
        card.known_answers, probability=[p + 0.01 for p in card.known_answers.probability]
    )
    bundle.save(folder, (folder / bundle.GRAPH).read_bytes(), msgspec.structs.replace(card, known_answers=answers))
    with pytest.raises(BundleError, match="misses its known answers"):
        bundle.load(folder)


def test_something_that_is_no_graph_is_refused(saved: tuple[Path, str]) -> None:
    folder, _ = saved
    card = msgspec.json.decode((folder / bundle.CARD).read_bytes(), type=bundle.Card)
    bundle.save(folder, b"not onnx", msgspec.structs.replace(card, graph_sha256=bundle.digest(b"not onnx")))
    with pytest.raises(BundleError, match="no graph that ONNX Runtime can run"):
        bundle.load(folder)
