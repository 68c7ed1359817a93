"""When a candidate is trained: the policy, and the sensor and schedule that follow it."""

from __future__ import annotations

import datetime as dt
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from parivision_assets.definitions import build
from parivision_assets.defs.training import sensors
from parivision_assets.orchestration import run_requests
from parivision_assets.orchestration.history import registry_name
from parivision_assets.orchestration.keys import DRIFT_CHECK, TRAINING_TAG
from parivision_assets.orchestration.run_requests import PRIORITY_TAG
from parivision_assets.resources import FileStoreResource, RegistryResource
from parivision_assets.steps.features.folding import update_warehouse
from parivision_assets.steps.training.retraining import Fit, RetrainingEvidence, reason_to_train
from parivision_core.nba.shots import NBA
from parivision_core.records import Manifest, Verdict
from parivision_core.settings import Settings
from parivision_core.store import open_files
from tests.helpers import shots

ENOUGH = 100
MLFLOW = "mlflow.db"
VERDICT = Verdict(
    candidate=1, champion=None, epoch=0, decision="pass", reason="better", games=30, shots=1, margin=0, level=0.95
)
FIT = Fit(3, 1000, "current", "here", judged=True)


def known(shots: int, fit: Fit | None, drift: str = "", schema: str = "current") -> RetrainingEvidence:
    return RetrainingEvidence(shots, schema, "here", fit, drift)


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (known(0, None), ""),
        (known(1, None), "no candidate yet"),
        (known(1000, FIT), ""),
        (known(1099, FIT), ""),
        (known(1100, FIT), "100 new shots since version 3"),
        (known(1000, FIT, schema="other"), "other features"),
        (known(1000, FIT, "x drifted"), ""),
        (known(1001, FIT, "x drifted"), "1 new shots since version 3 was fitted, and drift: x drifted"),
        (known(900, FIT), "another lake, which held 1,000 shots"),
        (known(0, FIT), ""),
        (known(1000, replace(FIT, registry="there")), "no candidate yet"),
        (known(1000, replace(FIT, judged=False)), "version 3 was never judged"),
        (replace(known(1000, FIT), lost=True), "the registry has lost its models: version 3 was the newest"),
    ],
)
def test_the_policy(evidence: RetrainingEvidence, reason: str) -> None:
    found = reason_to_train(evidence, ENOUGH)
    assert reason in found
    assert bool(found) == bool(reason)


def make_registry(folder: Path) -> None:
    """A database like MLflow's with a version."""
    with closing(sqlite3.connect(folder / MLFLOW)) as db, db:
        db.execute("CREATE TABLE model_versions (name TEXT)")
        db.execute("INSERT INTO model_versions VALUES (?)", (NBA.registered_model,))


class RetrainingSensor:
    """The sensor with a small warehouse and a clock that tests move."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = open_files(folder, NBA)
        self.instance = instance
        self.cursor: str | None = None
        self.now = 1_000_000.0
        self.resources: dict[str, Any] = {
            "store": FileStoreResource(home=str(folder)),
            "registry": RegistryResource(tracking_uri=f"sqlite:///{folder / MLFLOW}"),
        }
        self.home = folder
        make_registry(folder)
        self.definitions = build([NBA], Settings(home=folder, retrain_shots=ENOUGH).resolved())
        monkeypatch.setattr(sensors, "time", lambda: self.now)
        monkeypatch.setattr(run_requests, "STARTED", 0.0)

    def tick(self) -> list[dg.RunRequest]:
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, definitions=self.definitions, resources=self.resources
        )
        result = self.definitions.resolve_sensor_def("retraining")(context)
        if isinstance(result, dg.SkipReason):
            return []
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return list(result.run_requests or [])

    def morning(self) -> dg.RunRequest | dg.SkipReason:
        with dg.build_schedule_context(
            instance=self.instance,
            scheduled_execution_time=dt.datetime(2026, 1, 1, 4, tzinfo=dt.UTC),
            resources=self.resources,
        ) as context:
            result = self.definitions.resolve_schedule_def("every_morning")(context)
        assert isinstance(result, dg.RunRequest | dg.SkipReason)
        return result

    def run(self, status: dg.DagsterRunStatus, **tags: str) -> None:
        self.instance.add_run(dg.DagsterRun("refresh", status=status, tags={TRAINING_TAG: "nba", **tags}))

    def lose_models(self) -> None:
        with closing(sqlite3.connect(self.home / MLFLOW)) as db, db:
            db.execute("DELETE FROM model_versions")

    def metadata(self, **changes: str | int) -> dict[str, Any]:
        """What a training says of its candidate."""
        state = self.store.warehouse_state()
        return {
            "version": 1,
            "warehouse_shots": state.rows,
            "schema": state.schema,
            "registry": registry_name(self.resources["registry"].tracking_uri),
            **changes,
        }

    def trained(self, judged: bool = True, **changes: str | int) -> None:
        made = dg.AssetMaterialization("trained_model", metadata=self.metadata(**changes))
        self.instance.report_runless_asset_event(made)
        if judged:
            self.store.put_verdict(VERDICT)

    def checked(self, asset: str, check: str, passed: bool, text: str = "") -> None:
        event = dg.AssetCheckEvaluation(dg.AssetKey(asset), check, passed=passed, metadata={}, description=text)
        self.instance.report_runless_asset_event(event)


@pytest.fixture
def more(tmp_path: Path, put: Callable[..., list[Manifest]]) -> Callable[[int, int], None]:
    """`more(games, seed)`: so many games of ten shots are added to the warehouse."""

    def add(games: int, seed: int) -> None:
        store = open_files(tmp_path, NBA)
        put(store, shots.season(games=games, shots=10, seed=seed, start=f"2022-11-{seed:02d}"))
        update_warehouse(store, NBA)

    return add


@pytest.fixture
def sensor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RetrainingSensor]:
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(
        str(tmp_path / "dagster")
    ) as instance:  # an ephemeral instance won't do for a schedule
        yield RetrainingSensor(tmp_path, instance, monkeypatch)


def test_an_empty_deployment_trains_nothing(sensor: RetrainingSensor) -> None:
    assert sensor.tick() == []
    assert isinstance(sensor.morning(), dg.SkipReason)


def test_a_first_candidate_and_then_one_for_enough_new_shots(
    sensor: RetrainingSensor, more: Callable[[int, int], None]
) -> None:
    more(2, 1)
    (request,) = sensor.tick()
    assert request.tags["parivision/reason"] == "there is no candidate yet"
    sensor.run(dg.DagsterRunStatus.STARTED)
    sensor.now += 10_000
    assert sensor.tick() == []  # one at a time
    sensor.instance.delete_run(sensor.instance.get_runs()[0].run_id)
    sensor.trained()
    assert sensor.tick() == []
    more(9, 2)
    assert sensor.tick() == []
    assert isinstance(sensor.morning(), dg.RunRequest)  # the schedule needs only one new shot
    more(1, 3)
    (request,) = sensor.tick()
    assert "100 new shots" in request.tags["parivision/reason"]
    assert request.tags[PRIORITY_TAG] == run_requests.CANDIDATE[PRIORITY_TAG]


def test_a_candidate_has_no_priority_over_a_run_that_has_waited_long(
    sensor: RetrainingSensor, more: Callable[[int, int], None]
) -> None:
    """On a machine that hardly keeps pace a candidate is always due; a drift report would wait for ever."""
    more(12, 1)
    sensor.trained(warehouse_shots=0)
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "__repository__"), "drift")
    sensor.instance.add_run(dg.DagsterRun("drift", status=dg.DagsterRunStatus.QUEUED, remote_job_origin=origin))
    for waited, priority in ((1, run_requests.CANDIDATE[PRIORITY_TAG]), (run_requests.LONG_ENOUGH_SECONDS + 60, None)):
        sensor.now = time.time() + waited
        (request,) = sensor.tick()
        assert request.tags.get(PRIORITY_TAG) == priority


def test_the_first_candidate_waits_for_batches_whose_ingest_was_cut_off(
    sensor: RetrainingSensor, more: Callable[[int, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    more(2, 1)
    (held,) = sensor.store.manifests()
    sensor.store.record_failure("f", "failed", "cut in half")
    sensor.instance.add_dynamic_partitions("nba_batches", [held.batch_id, "failed"])
    monkeypatch.setattr(run_requests, "STARTED", sensor.now)
    sensor.instance.add_dynamic_partitions("nba_batches", ["interrupted"])
    assert sensor.tick() == []
    sensor.instance.delete_dynamic_partition("nba_batches", "interrupted")
    (request,) = sensor.tick()
    assert request.tags[PRIORITY_TAG] == run_requests.FIRST_CANDIDATE[PRIORITY_TAG]


def test_a_batch_that_is_gone_delays_the_first_candidate_for_a_limited_time(
    sensor: RetrainingSensor, more: Callable[[int, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    more(2, 1)
    monkeypatch.setattr(run_requests, "STARTED", sensor.now)
    sensor.instance.add_dynamic_partitions("nba_batches", ["taken away"])
    assert sensor.tick() == []
    sensor.now += sensors.PATIENCE_SECONDS
    assert len(sensor.tick()) == 1


def test_after_too_few_games_a_training_is_requested_only_with_more(
    sensor: RetrainingSensor, more: Callable[[int, int], None]
) -> None:
    more(2, 1)
    assert len(sensor.tick()) == 1
    sensor.run(dg.DagsterRunStatus.SUCCESS)  # it succeeded without a candidate
    sensor.now += 10_000
    assert sensor.tick() == []
    more(1, 2)
    assert len(sensor.tick()) == 1


def test_a_training_that_failed_is_repeated_after_a_pause(
    sensor: RetrainingSensor, more: Callable[[int, int], None]
) -> None:
    more(2, 1)
    (first,) = sensor.tick()
    sensor.run(dg.DagsterRunStatus.FAILURE)
    sensor.now += 60
    more(1, 2)  # new shots don't shorten the pause
    assert sensor.tick() == []
    sensor.now += 600
    (second,) = sensor.tick()
    assert first.run_key != second.run_key


def test_a_training_that_was_cut_off_with_the_platform_is_requested_at_the_next_start(
    sensor: RetrainingSensor, more: Callable[[int, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    more(2, 1)
    assert len(sensor.tick()) == 1
    sensor.run(dg.DagsterRunStatus.FAILURE)
    sensor.now += 30
    assert sensor.tick() == []
    monkeypatch.setattr(run_requests, "STARTED", sensor.now)
    assert len(sensor.tick()) == 1


def test_a_morning_training_that_failed_is_repeated_before_the_next_morning(
    sensor: RetrainingSensor, more: Callable[[int, int], None]
) -> None:
    """As when MLflow is down at five; one that a person has started isn't."""
    more(2, 1)
    sensor.trained()
    more(1, 2)
    assert sensor.tick() == []  # too few shots are new for the sensor
    morning = sensor.morning()
    assert isinstance(morning, dg.RunRequest)
    sensor.run(dg.DagsterRunStatus.FAILURE)
    assert sensor.tick() == []
    sensor.run(dg.DagsterRunStatus.FAILURE, **morning.tags)
    (request,) = sensor.tick()
    sensor.run(dg.DagsterRunStatus.FAILURE, **request.tags)
    assert sensor.tick() == []
    sensor.now += run_requests.RETRY_SECONDS
    (again,) = sensor.tick()
    sensor.run(dg.DagsterRunStatus.SUCCESS, **again.tags)
    sensor.now += run_requests.RETRY_SECONDS
    assert sensor.tick() == []


def test_a_training_whose_candidate_is_defective_is_not_repeated_on_few_new_shots(
    sensor: RetrainingSensor, more: Callable[[int, int], None]
) -> None:
    """Each candidate of a term takes a share of the gate's alpha."""
    more(2, 1)
    sensor.trained()

    @dg.asset
    def trained_model() -> dg.MaterializeResult:  # type: ignore[type-arg]
        return dg.MaterializeResult(metadata=sensor.metadata())

    @dg.asset(deps=[trained_model])
    def champion_model() -> None:
        raise dg.Failure("version 1 is defective")

    tags = {TRAINING_TAG: "nba", sensors.REASON_TAG: "100 new shots"}
    made = [trained_model, champion_model]
    assert not dg.materialize(made, instance=sensor.instance, tags=tags, raise_on_error=False).success
    more(1, 2)
    sensor.now += run_requests.RETRY_SECONDS
    assert sensor.tick() == []


@pytest.mark.parametrize("days", [-1, 1])
def test_a_training_that_failed_is_repeated_although_the_clock_was_set(
    sensor: RetrainingSensor, more: Callable[[int, int], None], monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    monkeypatch.setattr(run_requests, "STARTED", sensor.now - 1)
    more(2, 1)
    assert len(sensor.tick()) == 1
    sensor.run(dg.DagsterRunStatus.FAILURE)
    sensor.now += days * 86_400
    assert len(sensor.tick()) == 1
    sensor.run(dg.DagsterRunStatus.FAILURE)
    sensor.now += run_requests.RETRY_SECONDS - 1
    assert sensor.tick() == []
    sensor.now += 1
    assert len(sensor.tick()) == 1


def test_a_registry_that_has_lost_its_models_gets_a_candidate_without_new_shots(
    sensor: RetrainingSensor, more: Callable[[int, int], None]
) -> None:
    """Also where the cursor says that a run on these shots has succeeded; the old verdict on its number isn't its."""
    more(2, 1)
    assert len(sensor.tick()) == 1
    sensor.run(dg.DagsterRunStatus.SUCCESS)
    sensor.trained()
    assert sensor.tick() == []
    sensor.lose_models()
    (request,) = sensor.tick()
    assert "the registry has lost its models" in request.tags["parivision/reason"]
    sensor.run(dg.DagsterRunStatus.SUCCESS, **request.tags)
    assert sensor.tick() == []  # once

    (sensor.home / MLFLOW).unlink()
    make_registry(sensor.home)
    sensor.trained(judged=False, sha256="another")
    sensor.now += run_requests.RETRY_SECONDS
    (request,) = sensor.tick()
    assert "version 1 was never judged" in request.tags["parivision/reason"]


def test_drift_causes_one_earlier_training(sensor: RetrainingSensor, more: Callable[[int, int], None]) -> None:
    more(2, 1)
    sensor.checked("drift_report", DRIFT_CHECK, passed=False, text="older drift")
    sensor.trained()
    more(1, 2)
    assert sensor.tick() == []  # that report is older than the fit
    sensor.checked("drift_report", DRIFT_CHECK, passed=False, text="points: 0.31, allowed 0.05")
    (request,) = sensor.tick()
    assert request.tags["parivision/reason"].endswith("drift: points: 0.31, allowed 0.05")
    sensor.trained()
    more(1, 3)
    assert sensor.tick() == []
    sensor.checked("drift_report", DRIFT_CHECK, passed=True)
    assert sensor.tick() == []


def test_after_a_candidate_without_a_verdict_another_is_trained(
    sensor: RetrainingSensor, more: Callable[[int, int], None]
) -> None:
    more(2, 1)
    assert len(sensor.tick()) == 1
    sensor.trained(judged=False)
    sensor.run(dg.DagsterRunStatus.FAILURE)
    assert sensor.tick() == []
    sensor.now += 600
    (request,) = sensor.tick()
    assert "version 1 was never judged" in request.tags["parivision/reason"]


def test_other_features_are_a_reason_without_new_shots(
    sensor: RetrainingSensor, more: Callable[[int, int], None]
) -> None:
    more(2, 1)
    assert len(sensor.tick()) == 1
    sensor.run(dg.DagsterRunStatus.SUCCESS)
    sensor.trained(schema="of older code")
    sensor.cursor = (sensor.cursor or "").replace(NBA.schema, "of older code")
    assert "other features" in sensor.tick()[0].tags["parivision/reason"]


def test_another_registry_gets_a_candidate_and_one_reported_by_hand_does_not_count(
    sensor: RetrainingSensor, more: Callable[[int, int], None]
) -> None:
    more(2, 1)
    sensor.trained(registry=registry_name("http://elsewhere"))
    assert sensor.tick()[0].tags["parivision/reason"] == "there is no candidate yet"
    sensor.instance.report_runless_asset_event(dg.AssetMaterialization("trained_model"))
    assert isinstance(sensor.morning(), dg.RunRequest)


def test_the_schedule_skips_while_a_training_is_under_way(
    sensor: RetrainingSensor, more: Callable[[int, int], None]
) -> None:
    more(2, 1)
    sensor.run(dg.DagsterRunStatus.STARTED)
    assert isinstance(sensor.morning(), dg.SkipReason)
