"""When a candidate is trained: the policy, and the sensor and schedule that follow it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from parivision_assets.definitions import build
from parivision_assets.defs.training import sensors
from parivision_assets.keys import DRIFT_CHECK, TRAINING_TAG
from parivision_assets.resources import FileStoreResource
from parivision_assets.steps.folding import update_warehouse
from parivision_assets.steps.retraining import Evidence, Fit, reason_to_train
from parivision_core.nba import NBA
from parivision_core.records import Manifest
from parivision_core.settings import Settings
from parivision_core.store import open_files
from tests import shots

ENOUGH = 100
FIT = Fit(3, 1000, "today")


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (Evidence(0, "", None), ""),
        (Evidence(1, "today", None), "no candidate yet"),
        (Evidence(1000, "today", FIT), ""),
        (Evidence(1099, "today", FIT), ""),
        (Evidence(1100, "today", FIT), "100 new shots since version 3"),
        (Evidence(1000, "tomorrow", FIT), "other features"),
        (Evidence(1000, "today", FIT, "x drifted"), ""),
        (Evidence(1001, "today", FIT, "x drifted"), "1 new shots since version 3 was fitted, and drift: x drifted"),
        (Evidence(900, "today", FIT, "x drifted"), ""),
    ],
)
def test_the_policy(evidence: Evidence, reason: str) -> None:
    said = reason_to_train(evidence, ENOUGH)
    assert reason in said
    assert bool(said) == bool(reason)


class Watch:
    """The sensor over a small warehouse, on a clock that tests move."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = open_files(folder, NBA)
        self.instance = instance
        self.cursor: str | None = None
        self.now = 1_000_000.0
        self.resources = {"store": FileStoreResource(home=str(folder))}
        self.definitions = build([NBA], Settings(home=folder, retrain_shots=ENOUGH).resolved())
        monkeypatch.setattr(sensors, "time", lambda: self.now)

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
            asked = self.definitions.resolve_schedule_def("every_morning")(context)
        assert isinstance(asked, dg.RunRequest | dg.SkipReason)
        return asked

    def run(self, status: dg.DagsterRunStatus) -> None:
        self.instance.add_run(dg.DagsterRun("refresh", status=status, tags={TRAINING_TAG: "nba"}))

    def trained(self) -> None:
        state = self.store.warehouse_state()
        told = {"version": 1, "warehouse_shots": state.rows, "schema": state.schema}
        self.instance.report_runless_asset_event(dg.AssetMaterialization("trained_model", metadata=told))

    def checked(self, asset: str, check: str, passed: bool, text: str = "") -> None:
        told = dg.AssetCheckEvaluation(dg.AssetKey(asset), check, passed=passed, metadata={}, description=text)
        self.instance.report_runless_asset_event(told)


@pytest.fixture
def more(tmp_path: Path, put: Callable[..., list[Manifest]]) -> Callable[[int, int], None]:
    """`more(games, seed)`: so many games of ten shots come into the warehouse."""

    def come(games: int, seed: int) -> None:
        store = open_files(tmp_path, NBA)
        put(store, shots.season(games=games, shots=10, seed=seed, start=f"2022-11-{seed:02d}"))
        update_warehouse(store, NBA)

    return come


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:  # a schedule takes no other
        yield Watch(tmp_path, instance, monkeypatch)


def test_an_empty_house_trains_nothing(watch: Watch) -> None:
    assert watch.tick() == []
    assert isinstance(watch.morning(), dg.SkipReason)


def test_a_first_candidate_and_then_one_for_enough_new_shots(watch: Watch, more: Callable[[int, int], None]) -> None:
    more(2, 1)
    (request,) = watch.tick()
    assert request.tags["parivision/reason"] == "there is no candidate yet"
    watch.run(dg.DagsterRunStatus.STARTED)
    watch.now += 10_000
    assert watch.tick() == []  # one at a time
    watch.instance.delete_run(watch.instance.get_runs()[0].run_id)
    watch.trained()
    assert watch.tick() == []
    more(9, 2)
    assert watch.tick() == []
    assert isinstance(watch.morning(), dg.RunRequest)  # the morning is content with less
    more(1, 3)
    (request,) = watch.tick()
    assert "100 new shots" in request.tags["parivision/reason"]


def test_too_few_games_are_tried_again_only_with_more(watch: Watch, more: Callable[[int, int], None]) -> None:
    more(2, 1)
    assert len(watch.tick()) == 1
    watch.run(dg.DagsterRunStatus.SUCCESS)  # green, without a candidate
    watch.now += 10_000
    assert watch.tick() == []
    more(1, 2)
    assert len(watch.tick()) == 1


def test_a_training_that_failed_is_tried_again_after_a_while(watch: Watch, more: Callable[[int, int], None]) -> None:
    more(2, 1)
    (first,) = watch.tick()
    watch.run(dg.DagsterRunStatus.FAILURE)
    watch.now += 60
    more(1, 2)  # the cause may last, whatever comes in
    assert watch.tick() == []
    watch.now += 600
    (second,) = watch.tick()
    assert first.run_key != second.run_key


def test_drift_makes_it_earlier_once(watch: Watch, more: Callable[[int, int], None]) -> None:
    more(2, 1)
    watch.checked("drift_report", DRIFT_CHECK, passed=False, text="an old story")
    watch.trained()
    more(1, 2)
    assert watch.tick() == []  # that drift was known to the fit
    watch.checked("drift_report", DRIFT_CHECK, passed=False, text="points: 0.31, allowed 0.05")
    (request,) = watch.tick()
    assert request.tags["parivision/reason"].endswith("drift: points: 0.31, allowed 0.05")
    watch.trained()
    more(1, 3)
    assert watch.tick() == []
    watch.checked("drift_report", DRIFT_CHECK, passed=True)
    assert watch.tick() == []
