"""The drift report as Dagster runs it: metadata, check and MLflow run of one computation, and when it is requested."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import msgspec
import numpy as np
import pytest

from parivision_assets.definitions import build
from parivision_assets.defs.monitoring import checks, sensors
from parivision_assets.orchestration import run_requests
from parivision_assets.orchestration.keys import DRIFT_TAG
from parivision_assets.orchestration.run_requests import PRIORITY_TAG
from parivision_assets.resources import FileStoreResource
from parivision_assets.steps.monitoring import NEWEST_SHOTS
from parivision_assets.tracking.registry import ModelRegistry
from parivision_core.arrays import Columns
from parivision_core.bundle import Bundle
from parivision_core.nba.shots import NBA
from parivision_core.problems import RegistryError
from parivision_core.records import FeatureStateRecord
from parivision_core.settings import Settings
from parivision_core.store import open_store
from parivision_core.store.base import CURRENT_FEATURE_STATE, WAREHOUSE
from tests.helpers.made_up_warehouse import CHAMPION, STATE, MemoryWarehouse, made_up_warehouse, report

REPORT, CURRENT = dg.AssetKey("drift_report"), dg.AssetKey("champion_model")
EXPERIMENT = "parivision-monitoring"


def at_home(columns: Columns, new: np.ndarray) -> None:
    columns["home"] = np.where(new, 1.0, columns["home"])


@dataclasses.dataclass
class Deployment:
    """A deployment with a warehouse and a champion without a training."""

    settings: Settings
    instance: dg.DagsterInstance

    @property
    def definitions(self) -> dg.Definitions:
        return build([NBA], self.settings)

    def publish(self, memory: MemoryWarehouse, rows: int | None = None, stamp: str = "stamp") -> None:
        """Put rows into the warehouse, or pretend that there are as many as `rows`."""
        store = open_store(self.settings, NBA)
        count = memory.rows.num_rows if rows is None else rows
        state = msgspec.structs.replace(STATE, rows=count, feature_state_stamp=stamp)
        feature_state = FeatureStateRecord(
            stamp=stamp,
            schema=NBA.schema,
            base_fingerprint=NBA.base_fingerprint,
            through=None,
            shots=count,
            payload=b"",
        )
        with store.exclusive(WAREHOUSE):
            store.publish_warehouse({"2021": memory.rows}, state, {CURRENT_FEATURE_STATE: feature_state})

    def report(self) -> dg.ExecuteInProcessResult:
        job = self.definitions.resolve_job_def("drift")
        return job.execute_in_process(instance=self.instance, raise_on_error=False)

    def runs(self) -> list[object]:
        """MLflow's runs of the reports, newest first."""
        client = ModelRegistry(self.settings.tracking_uri, NBA.registered_model).client
        experiment = client.get_experiment_by_name(EXPERIMENT)
        found: list[object] = client.search_runs([experiment.experiment_id])
        return found


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        yield Deployment(Settings(home=tmp_path / "home").resolved(), instance)


def is_champion(monkeypatch: pytest.MonkeyPatch, version: int | None) -> None:
    def bundle(*_: object) -> Bundle:
        if version == 13:
            raise RegistryError("the bundle of version 13 can't be read")
        return CHAMPION

    monkeypatch.setattr(ModelRegistry, "champion", lambda _: version)
    monkeypatch.setattr(ModelRegistry, "bundle", bundle)


def test_a_report_is_one_computation_reported_in_three_places(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asset, check and MLflow agree; drift is no failure. Then without a champion, and with an unreadable one."""
    is_champion(monkeypatch, 3)
    deployment.publish(made_up_warehouse(at_home))
    result = deployment.report()
    assert result.success
    (made,) = result.get_asset_materialization_events()
    metadata = {name: entry.value for name, entry in made.materialization.metadata.items()}
    assert metadata["drifted"] is True
    assert metadata["drifted_columns"] == ["home"]
    assert (metadata["champion"], metadata["shots"], metadata["through"]) == (3, 10_000, "2021-01-14")
    assert (metadata["warehouse_shots"], metadata["training_window"]) == (30_000, "2020-11-01 to 2020-12-20")
    assert "| home | jensenshannon |" in metadata["columns"]
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed, check.severity) == ("no_drift", False, dg.AssetCheckSeverity.WARN)
    assert "home: 1 100.00%, was 1 " in (check.description or "")

    (run,) = deployment.runs()
    assert run.info.status == "FINISHED"  # type: ignore[attr-defined]
    assert run.info.run_id in metadata["report"]  # type: ignore[attr-defined]
    params, metrics = run.data.params, run.data.metrics  # type: ignore[attr-defined]
    assert (params["champion"], params["training_first_date"], params["newest_last_date"]) == (
        "3",
        "2020-11-01",
        "2021-01-14",
    )
    assert metrics["distance_home"] > metrics["threshold_home"]
    (page,) = deployment.settings.artifacts.rglob("drift.html")
    assert page.parent.parent.name == run.info.run_id  # type: ignore[attr-defined]

    only_check = deployment.definitions.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection=set(), asset_check_selection={dg.AssetCheckKey(REPORT, "no_drift")}
    )
    alone = only_check.execute_in_process(instance=deployment.instance)
    assert alone.get_asset_materialization_events() == []
    assert [e.passed for e in alone.get_asset_check_evaluations()] == [False]

    is_champion(monkeypatch, None)
    quiet = deployment.report()
    assert quiet.success
    assert quiet.get_asset_materialization_events() == quiet.get_asset_check_evaluations() == []
    is_champion(monkeypatch, 13)
    assert not deployment.report().success
    assert [run.info.status for run in deployment.runs()] == ["FAILED", "KILLED", "FINISHED", "FINISHED"]  # type: ignore[attr-defined]


def test_a_report_without_drift_passes() -> None:
    result = checks.result(report(made_up_warehouse(), CHAMPION))
    assert result.passed
    assert "no watched column drifted on 10,000 shots" in (result.description or "")


def test_the_report_is_never_part_of_another_run(tmp_path: Path) -> None:
    definitions = build([NBA], Settings(home=tmp_path).resolved())
    node = definitions.resolve_asset_graph().get(REPORT)
    assert node.automation_condition is None
    for job in definitions.jobs or []:
        selected = definitions.resolve_job_def(job.name).asset_layer.executable_asset_keys
        assert REPORT not in selected or selected == {REPORT}, job.name


class DriftSensor:
    """The sensor, and the materializations of other runs that it reads."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.memory = made_up_warehouse()
        self.cursor: str | None = None
        self.now = time.time() + sensors.SETTLED_SECONDS + 3600
        """Seconds since the epoch, long after all events of a test."""

    def promote(self, version: int) -> None:
        event = dg.AssetMaterialization(CURRENT, metadata={"version": version})
        self.deployment.instance.report_runless_asset_event(event)

    def reported(self, version: int, rows: int) -> None:
        event = dg.AssetMaterialization(REPORT, metadata={"champion": version, "warehouse_shots": rows})
        self.deployment.instance.report_runless_asset_event(event)

    def tick(self, rows: int, stamp: str = "stamp") -> str | None:
        """The run key that is requested when the warehouse holds so many rows."""
        self.deployment.publish(self.memory, rows, stamp)
        context = dg.build_sensor_context(
            instance=self.deployment.instance,
            cursor=self.cursor,
            definitions=self.deployment.definitions,
            resources={"store": FileStoreResource(home=str(self.deployment.settings.home))},
        )
        result = self.deployment.definitions.resolve_sensor_def("fresh_shots_to_watch")(context)
        if isinstance(result, dg.SkipReason):
            return None
        self.cursor = result.cursor
        (request,) = result.run_requests
        assert PRIORITY_TAG not in request.tags  # a candidate has one
        return str(request.run_key).rsplit(":", 1)[0]

    def ran(self, status: dg.DagsterRunStatus) -> None:
        self.deployment.instance.add_run(dg.DagsterRun("drift", status=status, tags={DRIFT_TAG: "nba"}))


@pytest.fixture
def sensor(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> DriftSensor:
    sensor = DriftSensor(deployment)
    monkeypatch.setattr(sensors, "time", lambda: sensor.now)
    return sensor


def test_no_report_is_requested_before_the_first_champion(sensor: DriftSensor) -> None:
    assert sensor.tick(30_000) is None
    sensor.promote(1)
    assert sensor.tick(30_000) == "1:stamp"


def test_a_report_is_requested_for_enough_new_shots(sensor: DriftSensor) -> None:
    enough = 30_000 + NEWEST_SHOTS
    sensor.promote(1)
    sensor.reported(1, 30_000)
    assert sensor.tick(30_000) is None
    assert sensor.tick(enough - 1, "later") is None
    assert sensor.tick(enough, "latest") == "1:latest"
    sensor.reported(1, enough)
    assert sensor.tick(enough, "latest") is None


def test_a_failed_report_is_requested_again_after_a_pause_and_one_without_a_result_is_not(
    sensor: DriftSensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_requests, "STARTED", 0.0)
    sensor.promote(1)
    assert sensor.tick(30_000) == "1:stamp"
    sensor.ran(dg.DagsterRunStatus.FAILURE)
    assert sensor.tick(30_000) is None
    sensor.now += run_requests.RETRY_SECONDS
    assert sensor.tick(30_000) == "1:stamp"
    sensor.ran(dg.DagsterRunStatus.SUCCESS)  # it succeeded without a report
    sensor.now += run_requests.RETRY_SECONDS
    assert sensor.tick(30_000) is None
    assert sensor.tick(30_001, "later") == "1:later"


def test_a_new_champion_gets_a_report_with_the_first_new_shot(sensor: DriftSensor) -> None:
    sensor.promote(1)
    sensor.reported(1, 30_000)
    sensor.promote(2)
    assert sensor.tick(30_000) is None
    assert sensor.tick(30_001, "later") == "2:later"


def test_a_report_on_a_new_champion_waits_for_the_days_that_arrived_meanwhile(sensor: DriftSensor) -> None:
    sensor.reported(1, 30_000)
    before = time.time()
    sensor.promote(2)
    sensor.now = before + sensors.SETTLED_SECONDS - 1
    assert sensor.tick(60_000) is None
    sensor.now = before - 86_400  # the clock was set back
    assert sensor.tick(60_000) == "2:stamp"
    sensor.now = time.time() + sensors.SETTLED_SECONDS
    assert sensor.tick(60_000) == "2:stamp"


def test_one_report_at_a_time(sensor: DriftSensor) -> None:
    sensor.promote(1)
    run = dg.DagsterRun("drift", status=dg.DagsterRunStatus.STARTED, tags={DRIFT_TAG: "nba"})
    sensor.deployment.instance.add_run(run)
    assert sensor.tick(30_000) is None
