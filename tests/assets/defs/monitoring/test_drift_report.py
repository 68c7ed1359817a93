"""The drift report as Dagster runs it: metadata, check and MLflow run of one computation, and when it is asked for."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import msgspec
import numpy as np
import pytest
from dagster._core.storage.tags import PRIORITY_TAG

from parivision_assets.definitions import build
from parivision_assets.defs.monitoring import checks, sensors
from parivision_assets.orchestration import run_requests
from parivision_assets.orchestration.keys import DRIFT_TAG
from parivision_assets.resources import FileStoreResource
from parivision_assets.tracking.registry import ModelRegistry
from parivision_core.arrays import Columns
from parivision_core.bundle import Bundle
from parivision_core.nba.shots import NBA
from parivision_core.problems import RegistryError
from parivision_core.records import FeatureStateRecord
from parivision_core.settings import Settings
from parivision_core.store import open_store
from parivision_core.store.base import CURRENT_FEATURE_STATE, WAREHOUSE
from tests.helpers.made_up_warehouse import CHAMPION, STATE, Memory, report, world

REPORT, CURRENT = dg.AssetKey("drift_report"), dg.AssetKey("champion_model")
EXPERIMENT = "parivision-monitoring"


def at_home(columns: Columns, new: np.ndarray) -> None:
    columns["home"] = np.where(new, 1.0, columns["home"])


@dataclasses.dataclass
class Deployment:
    """A platform with a warehouse and a champion that nobody had to train."""

    settings: Settings
    instance: dg.DagsterInstance

    @property
    def definitions(self) -> dg.Definitions:
        return build([NBA], self.settings)

    def publish(self, memory: Memory, rows: int | None = None, stamp: str = "stamp") -> None:
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
    """Asset, check and MLflow agree; drift is no failure. Then what is not yet, and what breaks."""
    is_champion(monkeypatch, 3)
    deployment.publish(world(at_home))
    result = deployment.report()
    assert result.success
    (made,) = result.get_asset_materialization_events()
    told = {name: entry.value for name, entry in made.materialization.metadata.items()}
    assert told["drifted"] is True
    assert told["drifted_columns"] == ["home"]
    assert (told["champion"], told["shots"], told["through"]) == (3, 10_000, "2021-01-14")
    assert (told["warehouse_shots"], told["training_window"]) == (30_000, "2020-11-01 to 2020-12-20")
    assert "| home | jensenshannon |" in told["columns"]
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed, check.severity) == ("no_drift", False, dg.AssetCheckSeverity.WARN)
    assert "home: 1 100.00%, was 1 " in (check.description or "")

    (run,) = deployment.runs()
    assert run.info.status == "FINISHED"  # type: ignore[attr-defined]
    assert run.info.run_id in told["report"]  # type: ignore[attr-defined]
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


def test_a_calm_report_passes() -> None:
    result = checks.result(report(world(), CHAMPION))
    assert result.passed
    assert "no watched column drifted on 10,000 shots" in (result.description or "")


def test_the_report_is_never_part_of_another_run(tmp_path: Path) -> None:
    definitions = build([NBA], Settings(home=tmp_path).resolved())
    node = definitions.resolve_asset_graph().get(REPORT)
    assert node.automation_condition is None
    for job in definitions.jobs or []:
        selected = definitions.resolve_job_def(job.name).asset_layer.executable_asset_keys
        assert REPORT not in selected or selected == {REPORT}, job.name


class Watch:
    """The sensor, and what the others tell Dagster meanwhile."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.memory = world()
        self.cursor: str | None = None
        self.now = time.time() + sensors.SETTLED_SECONDS + 3600
        """Seconds since the epoch; all that is told in a test lies long behind."""

    def promote(self, version: int) -> None:
        told = dg.AssetMaterialization(CURRENT, metadata={"version": version})
        self.deployment.instance.report_runless_asset_event(told)

    def reported(self, version: int, rows: int) -> None:
        told = dg.AssetMaterialization(REPORT, metadata={"champion": version, "warehouse_shots": rows})
        self.deployment.instance.report_runless_asset_event(told)

    def tick(self, rows: int, stamp: str = "stamp") -> str | None:
        """The run key that is asked for when the warehouse holds so many rows."""
        self.deployment.publish(self.memory, rows, stamp)
        context = dg.build_sensor_context(
            instance=self.deployment.instance,
            cursor=self.cursor,
            definitions=self.deployment.definitions,
            resources={"store": FileStoreResource(home=str(self.deployment.settings.home))},
        )
        asked = self.deployment.definitions.resolve_sensor_def("fresh_shots_to_watch")(context)
        if isinstance(asked, dg.SkipReason):
            return None
        self.cursor = asked.cursor
        (request,) = asked.run_requests
        assert PRIORITY_TAG not in request.tags  # as a candidate
        return str(request.run_key).rsplit(":", 1)[0]

    def ran(self, status: dg.DagsterRunStatus) -> None:
        self.deployment.instance.add_run(dg.DagsterRun("drift", status=status, tags={DRIFT_TAG: "nba"}))


@pytest.fixture
def watch(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch(deployment)
    monkeypatch.setattr(sensors, "time", lambda: watch.now)
    return watch


def test_nothing_is_watched_before_the_first_champion(watch: Watch) -> None:
    assert watch.tick(30_000) is None
    watch.promote(1)
    assert watch.tick(30_000) == "1:stamp"


def test_enough_new_shots_ask_for_a_report(watch: Watch) -> None:
    enough = 30_000 + sensors.ENOUGH_SHOTS
    watch.promote(1)
    watch.reported(1, 30_000)
    assert watch.tick(30_000) is None
    assert watch.tick(enough - 1, "later") is None
    assert watch.tick(enough, "latest") == "1:latest"
    watch.reported(1, enough)
    assert watch.tick(enough, "latest") is None


def test_a_report_that_failed_is_tried_again_after_a_while_and_one_with_too_few_shots_is_not(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_requests, "STARTED", 0.0)
    watch.promote(1)
    assert watch.tick(30_000) == "1:stamp"
    watch.ran(dg.DagsterRunStatus.FAILURE)
    assert watch.tick(30_000) is None
    watch.now += run_requests.RETRY_SECONDS
    assert watch.tick(30_000) == "1:stamp"
    watch.ran(dg.DagsterRunStatus.SUCCESS)  # green, without a report
    watch.now += run_requests.RETRY_SECONDS
    assert watch.tick(30_000) is None
    assert watch.tick(30_001, "later") == "1:later"


def test_another_champion_is_watched_from_its_first_new_shot(watch: Watch) -> None:
    watch.promote(1)
    watch.reported(1, 30_000)
    watch.promote(2)
    assert watch.tick(30_000) is None
    assert watch.tick(30_001, "later") == "2:later"


def test_a_new_champion_lets_the_days_go_first_that_came_while_it_was_trained(watch: Watch) -> None:
    watch.reported(1, 30_000)
    before = time.time()
    watch.promote(2)
    watch.now = before + sensors.SETTLED_SECONDS - 1
    assert watch.tick(60_000) is None
    watch.now = time.time() + sensors.SETTLED_SECONDS
    assert watch.tick(60_000) == "2:stamp"


def test_one_report_at_a_time(watch: Watch) -> None:
    watch.promote(1)
    run = dg.DagsterRun("drift", status=dg.DagsterRunStatus.STARTED, tags={DRIFT_TAG: "nba"})
    watch.deployment.instance.add_run(run)
    assert watch.tick(30_000) is None
