"""The training pipeline: what it records, what it refuses, and which defects it finds."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from parivision_assets.steps.training import pipeline
from parivision_assets.steps.training.calibrating import Calibrator
from parivision_assets.steps.training.code_version import code_version
from parivision_assets.steps.training.pipeline import Trained, train
from parivision_core import __version__, bundle
from parivision_core.arrays import Columns
from parivision_core.nba.shots import NBA
from parivision_core.problems import NotEnoughGamesError, PariVisionError
from parivision_core.scoring import sigmoid
from tests.helpers.made_up_warehouse import MemoryWarehouse, made_up_warehouse

pytestmark = pytest.mark.usefixtures("few_trees")


def sided(columns: Columns, _: np.ndarray) -> None:
    """The side a shot is taken from matters, so that there is something to learn."""
    columns["chance"] = sigmoid(columns["base_logit"] + 0.5 * np.sign(columns["x_metres"]))


def trained_on(memory: MemoryWarehouse, folder: Path, **more: Any) -> Trained:
    store: Any = memory
    return train(store, NBA, folder, "run", **more)


def with_columns(memory: MemoryWarehouse, change: Callable[[dict[str, np.ndarray]], None]) -> MemoryWarehouse:
    """The same warehouse with columns altered in place."""
    columns = {name: memory.rows[name].to_numpy().copy() for name in memory.rows.column_names}
    change(columns)
    return MemoryWarehouse(pa.table({name: pa.array(values) for name, values in columns.items()}))


@pytest.fixture(scope="module")
def memory() -> MemoryWarehouse:
    return made_up_warehouse(sided)


@pytest.fixture(scope="module")
def trained(memory: MemoryWarehouse, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return trained_on(memory, tmp_path_factory.mktemp("bundle"))


def test_a_training_records_its_data_and_its_choices(trained: Trained) -> None:
    assert trained.defects == []
    assert set(trained.candidates) == {"xgboost", "logistic", "forest"}
    assert trained.windows == []  # there is one season, so no choice
    provenance = trained.bundle.card.provenance
    assert trained.bundle.card.parts == ("2021",)
    assert trained.parameters["parts"] == "2021"
    assert trained.parameters["data_fingerprint"] == provenance.data_fingerprint
    assert trained.parameters["code_version"] == provenance.code_version == code_version()
    assert trained.parameters["calibrator_family"] == trained.bundle.card.calibrator["family"]
    assert {trial.family for trial in trained.calibrators} == {"platt", "beta"}
    callers = {"official record without kind", "clicked spot", "spot and clock alone"}
    assert set(trained.measured) == {"validation", "unseen"} | callers
    assert set(trained.reliability) == {"unseen"} | callers
    for measured in trained.measured.values():
        low, high = measured.intervals["log_loss"]
        assert low < measured.scores.log_loss < high
    assert bundle.load(trained.folder, trained.sha256).card == trained.bundle.card


def test_a_calibrator_that_wins_is_part_of_what_is_served(
    memory: MemoryWarehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steep = Calibrator("platt", 1.2, 1.2, 0.1)
    monkeypatch.setattr(pipeline, "calibrate", lambda *_: (steep, []))
    made = trained_on(memory, tmp_path)
    assert made.bundle.card.calibrator == {
        "family": "platt",
        "made_weight": 1.2,
        "missed_weight": 1.2,
        "shift": 0.1,
    }
    assert made.parameters["calibrator_shift"] == 0.1
    assert made.defects == []
    bundle.load(tmp_path, made.sha256)


def test_two_trainings_at_once_make_the_same_model(memory: MemoryWarehouse, tmp_path: Path, trained: Trained) -> None:
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda name: trained_on(memory, tmp_path / name), ("one", "other"))
    for made in (one, other):
        assert made.defects == []
        assert made.scores == trained.scores
        assert made.bundle.card.provenance == trained.bundle.card.provenance
        bundle.load(made.folder, made.sha256)


def test_a_search_s_parameters_are_used_unless_it_used_the_unseen_games(
    memory: MemoryWarehouse, tmp_path: Path, trained: Trained
) -> None:
    seen_until = trained.bundle.card.provenance.seen_until

    @dataclass
    class Found:
        seen_until: str
        parameters: dict[str, float]

    logged: list[str] = []
    used = trained_on(memory, tmp_path / "a", tuned=Found(seen_until, {"max_depth": 2}), log=logged.append)
    assert used.candidates["xgboost"] != trained.candidates["xgboost"]
    later = trained_on(memory, tmp_path / "b", tuned=Found("2999-01-01", {"max_depth": 2}), log=logged.append)
    assert later.candidates["xgboost"] == trained.candidates["xgboost"]
    assert any("are not used, because it used games up to 2999-01-01" in line for line in logged)


def test_an_onnx_graph_that_disagrees_is_a_defect(
    memory: MemoryWarehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert = pipeline.to_onnx

    def crooked(fitted: Any, features: int) -> bytes:
        return convert(fitted.calibrated(Calibrator("platt", 1.0, 1.0, 0.05)), features)

    monkeypatch.setattr(pipeline, "to_onnx", crooked)
    (defect,) = trained_on(memory, tmp_path).defects
    assert "the ONNX graph differs from the trainer" in defect


def test_a_leak_into_the_unseen_games_alone_is_a_defect(
    memory: MemoryWarehouse, tmp_path: Path, trained: Trained
) -> None:
    """As if the newest games had been folded with their own outcomes."""
    seen_until = trained.bundle.card.provenance.seen_until

    def leak(columns: dict[str, np.ndarray]) -> None:
        late = columns["game_date"] > seen_until
        columns["offset"][late] += (columns["made"][late] - 0.5).astype(np.float32)

    assert any("its own probabilities imply" in d for d in trained_on(with_columns(memory, leak), tmp_path).defects)


def test_a_season_without_history_trains(memory: MemoryWarehouse, tmp_path: Path) -> None:
    """Every feature is constant except the offset, so no tree finds a split."""

    def forget(columns: dict[str, np.ndarray]) -> None:
        for name in NBA.feature_names:
            columns[name][:] = 0.0

    made = trained_on(with_columns(memory, forget), tmp_path)
    assert made.defects == []
    bundle.load(tmp_path, made.sha256)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(memory: MemoryWarehouse, tmp_path: Path, value: float) -> None:
    def spoil(columns: dict[str, np.ndarray]) -> None:
        columns["period"][17] = value

    with pytest.raises(PariVisionError, match="aren't finite; rebuild the warehouse"):
        trained_on(with_columns(memory, spoil), tmp_path)


def test_one_outcome_alone_is_refused(memory: MemoryWarehouse, tmp_path: Path) -> None:
    def miss(columns: dict[str, np.ndarray]) -> None:
        columns["made"][:] = 0

    with pytest.raises(PariVisionError, match="need both makes and misses"):
        trained_on(with_columns(memory, miss), tmp_path)


def test_too_few_games_are_not_yet_enough(memory: MemoryWarehouse, tmp_path: Path) -> None:
    with pytest.raises(NotEnoughGamesError, match="games are too few"):
        trained_on(memory.until("2020-11-20"), tmp_path)


def test_the_code_version_names_this_checkout_and_no_other(tmp_path: Path) -> None:
    assert code_version(tmp_path) == __version__
    (tmp_path / ".git").write_text("nothing that git knows")
    assert code_version.__wrapped__(tmp_path) == __version__
    assert code_version().startswith(__version__)
