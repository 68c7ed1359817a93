"""Trainings and searches as Dagster runs with real MLflow: what is logged, what is found again, and what may break."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import msgspec
import pytest
from mlflow.exceptions import MlflowException

from parivision_assets.steps.training import searching
from parivision_assets.tracking.registry import ModelRegistry
from parivision_assets.tracking.runs import tracked
from parivision_assets.tracking.searches import FOUND_TAG, search_experiment
from parivision_core.nba.shots import NBA
from parivision_core.problems import NotEnoughGamesError
from tests.helpers.platform import Platform, platform_in

pytestmark = pytest.mark.usefixtures("few_trees")


@pytest.fixture(scope="module")
def folded_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A platform whose only season is folded; nothing was trained yet."""
    folder = tmp_path_factory.mktemp("folded")
    platform = platform_in(folder)
    with pytest.MonkeyPatch.context() as m:
        m.setattr("parivision_assets.steps.training.splitting.MIN_TRAIN_GAMES", 10_000)
        platform.drop("2023.csv", games=160, shots=60, skill=1.5)
        assert platform.refresh() == "not_yet"
    platform.instance.dispose()
    return folder


@pytest.fixture
def platform(folded_folder: Path, tmp_path: Path) -> Iterator[Platform]:
    copy = platform_in(Path(shutil.copytree(folded_folder, tmp_path / "platform")))
    yield copy
    copy.instance.dispose()


def search(platform: Platform, **config: int) -> dg.ExecuteInProcessResult:
    job = platform.definitions.resolve_job_def("search")
    return job.execute_in_process(
        instance=platform.instance,
        raise_on_error=False,
        run_config={"ops": {"searched_parameters": {"config": config}}},
    )


def runs_of(platform: Platform, experiment: str) -> list[Any]:
    """MLflow's runs of an experiment, newest first."""
    client = platform.registry.client
    found: list[Any] = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return found


def test_a_search_is_logged_and_found_by_the_next_training(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching.Found, "better", property(lambda _: True))
    monkeypatch.setattr(searching, "DEFAULTS", {**searching.DEFAULTS, "max_depth": 3})  # not XGBoost's own
    result = search(platform, trials=1)
    assert result.success
    (event,) = result.get_asset_materialization_events()
    shown = event.materialization.metadata
    assert shown["better"].value is True
    assert "| 1 | 0." in str(shown["trials"].value)
    (run,) = runs_of(platform, search_experiment(NBA))
    assert run.info.status == "FINISHED"
    found = msgspec.json.decode(run.data.tags[FOUND_TAG], type=searching.Found)
    assert found.parameters["max_depth"] == 3
    assert len(run.data.metrics) == 4
    assert platform.materialize("trained_model").success
    trained = runs_of(platform, NBA.registered_model)[0]
    assert trained.data.params["parts"] == "2023"
    if trained.data.params["model"] == "xgboost":
        assert trained.data.params["max_depth"] == "3"
    metrics = trained.data.metrics
    for period in ("validation", "unseen", "clicked_spot", "spot_and_clock_alone"):
        assert metrics[f"{period}_log_loss_low"] < metrics[f"{period}_log_loss"] < metrics[f"{period}_log_loss_high"]
    assert {"tried_forest_masked_log_loss", "calibrator_platt_gain"} <= set(metrics)
    assert {"code_version", "data_fingerprint", "calibrator_family"} <= set(trained.data.params)
    artifacts = {a.path for a in platform.registry.client.list_artifacts(trained.info.run_id)}
    assert artifacts == {"bundle", "importance.json", "reliability.md", "reliability.png"}


def test_a_damaged_search_stops_no_training(platform: Platform) -> None:
    client = platform.registry.client
    experiment = client.create_experiment(search_experiment(NBA))
    run = client.create_run(experiment, tags={FOUND_TAG: '{"schema": 3'})
    client.set_terminated(run.info.run_id)
    assert platform.materialize("trained_model").success
    assert platform.registry.newest() == 1


def test_too_little_to_search_is_not_yet(tmp_path: Path) -> None:
    platform = platform_in(tmp_path)
    result = search(platform, trials=2)
    assert result.success
    assert not result.get_asset_materialization_events()
    assert {run.info.status for run in runs_of(platform, search_experiment(NBA))} == {"KILLED"}
    platform.instance.dispose()


def test_a_search_without_trials_is_refused(platform: Platform) -> None:
    result = search(platform, trials=0)
    assert not result.success
    (failure,) = result.get_step_failure_events()
    assert "greater than or equal to 1" in str(failure.step_failure_data.error)


def test_the_registry_goes_away_in_the_middle(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run fails with the reason, nothing is half registered, and the next training succeeds."""

    def down(*_: object) -> int:
        raise MlflowException("the registry doesn't answer")

    with monkeypatch.context() as m:
        m.setattr(ModelRegistry, "register", down)
        result = platform.materialize("trained_model", "champion_model")
    assert not result.success
    (failure,) = result.get_step_failure_events()
    assert "the registry doesn't answer" in str(failure.step_failure_data.error)
    assert runs_of(platform, NBA.registered_model)[0].info.status == "FAILED"
    assert platform.registry.champion() is None
    assert platform.materialize("trained_model").success
    assert platform.registry.newest() == 1


class Gone:
    """MLflow with an active run, whose server has gone."""

    def active_run(self) -> Any:
        return SimpleNamespace(info="info")

    def end_run(self, status: str) -> None:
        raise MlflowException(f"can't set {status}")


@pytest.mark.parametrize(("error", "seen"), [(ValueError("broken rows"), True), (NotEnoughGamesError("few"), False)])
def test_a_lost_server_hides_no_error(error: Exception, seen: bool, caplog: pytest.LogCaptureFixture) -> None:
    log: Any = logging.getLogger("a run")
    raised = None
    try:
        with tracked(Gone(), log) as run:
            assert run == "info"
            raise error
    except ValueError as found:
        raised = found
    assert (raised is error) == seen
    assert "the MLflow run can't be set to" in caplog.text
