"""When a candidate is trained: the policy, and the sensor and schedule that follow it."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.tags import PRIORITY_TAG

from parivision_assets.definitions import build
from parivision_assets.defs.training import sensors
from parivision_assets.orchestration import run_requests
from parivision_assets.orchestration.history import registry_name
from parivision_assets.orchestration.keys import DRIFT_CHECK, TRAINING_TAG
from parivision_assets.resources import FileStoreResource, RegistryResource
from parivision_assets.steps.features.folding import update_warehouse
from parivision_assets.steps.training.retraining import Fit, RetrainingEvidence, reason_to_train
from parivision_core.nba.shots import NBA
from parivision_core.records import Manifest, Verdict
from parivision_core.settings import Settings
from parivision_core.store import open_files
from tests.helpers import shots

ENOUGH = 100
VERDICT = Verdict(
    candidate=1, champion=None, epoch=0, decision="pass", reason="better", games=30, shots=1, margin=0, level=0.95
)
FIT = Fit(3, 1000, "today", "here", judged=True)


def known(shots: int, fit: Fit | None, drift: str = "", schema: str = "today") -> RetrainingEvidence:
    return RetrainingEvidence(shots, schema, "here", fit, drift)


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (known(0, None), ""),
        (known(1, None), "no candidate yet"),
        (known(1000, FIT), ""),
        (known(1099, FIT), ""),
        (known(1100, FIT), "100 new shots since version 3"),
        (known(1000, FIT, schema="tomorrow"), "other features"),
        (known(1000, FIT, "x drifted"), ""),
        (known(1001, FIT, "x drifted"), "1 new shots since version 3 was fitted, and drift: x drifted"),
        (known(900, FIT), "another lake, which held 1,000 shots"),
        (known(0, FIT), ""),
        (known(1000, replace(FIT, registry="there")), "no candidate yet"),
        (known(1000, replace(FIT, judged=False)), "version 3 was never judged"),
    ],
)
def test_the_policy(evidence: RetrainingEvidence, reason: str) -> None:
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
        self.resources = {
            "store": FileStoreResource(home=str(folder)),
            "registry": RegistryResource(tracking_uri="sqlite:///a.db"),
        }
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
            asked = self.definitions.resolve_schedule_def("every_morning")(context)
        assert isinstance(asked, dg.RunRequest | dg.SkipReason)
        return asked

    def run(self, status: dg.DagsterRunStatus) -> None:
        self.instance.add_run(dg.DagsterRun("refresh", status=status, tags={TRAINING_TAG: "nba"}))

    def trained(self, judged: bool = True, **told: str | int) -> None:
        state = self.store.warehouse_state()
        told = {
            "version": 1,
            "warehouse_shots": state.rows,
            "schema": state.schema,
            "registry": registry_name("sqlite:///a.db"),
            **told,
        }
        self.instance.report_runless_asset_event(dg.AssetMaterialization("trained_model", metadata=told))
        if judged:
            self.store.put_verdict(VERDICT)

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


def test_an_empty_platform_trains_nothing(watch: Watch) -> None:
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
    assert request.tags[PRIORITY_TAG] == run_requests.CANDIDATE[PRIORITY_TAG]


def test_a_candidate_does_not_pass_what_has_waited_long(watch: Watch, more: Callable[[int, int], None]) -> None:
    """One is always due in a house that can hardly keep pace: a drift report would wait behind them for ever."""
    more(12, 1)
    watch.trained(warehouse_shots=0)
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "__repository__"), "drift")
    watch.instance.add_run(dg.DagsterRun("drift", status=dg.DagsterRunStatus.QUEUED, remote_job_origin=origin))
    for waited, place in ((1, run_requests.CANDIDATE[PRIORITY_TAG]), (run_requests.LONG_ENOUGH_SECONDS + 60, None)):
        watch.now = time.time() + waited
        (request,) = watch.tick()
        assert request.tags.get(PRIORITY_TAG) == place


def test_the_first_candidate_waits_for_batches_whose_ingest_was_cut_off(
    watch: Watch, more: Callable[[int, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    more(2, 1)
    (held,) = watch.store.manifests()
    watch.store.record_failure("f", "failed", "cut in half")
    watch.instance.add_dynamic_partitions("nba_batches", [held.batch_id, "failed"])
    monkeypatch.setattr(run_requests, "STARTED", watch.now)
    watch.instance.add_dynamic_partitions("nba_batches", ["interrupted"])
    assert watch.tick() == []
    watch.instance.delete_dynamic_partition("nba_batches", "interrupted")
    (request,) = watch.tick()
    assert request.tags[PRIORITY_TAG] == run_requests.FIRST_CANDIDATE[PRIORITY_TAG]


def test_a_batch_that_never_comes_holds_up_the_first_candidate_for_a_while_only(
    watch: Watch, more: Callable[[int, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    more(2, 1)
    monkeypatch.setattr(run_requests, "STARTED", watch.now)
    watch.instance.add_dynamic_partitions("nba_batches", ["taken away"])
    assert watch.tick() == []
    watch.now += sensors.PATIENCE_SECONDS
    assert len(watch.tick()) == 1


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


def test_a_training_that_was_cut_off_with_the_platform_is_taken_up_at_the_next_start(
    watch: Watch, more: Callable[[int, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    more(2, 1)
    assert len(watch.tick()) == 1
    watch.run(dg.DagsterRunStatus.FAILURE)
    watch.now += 30
    assert watch.tick() == []
    monkeypatch.setattr(run_requests, "STARTED", watch.now)
    assert len(watch.tick()) == 1


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


def test_a_candidate_whose_run_was_cut_off_before_its_verdict_is_followed(
    watch: Watch, more: Callable[[int, int], None]
) -> None:
    more(2, 1)
    assert len(watch.tick()) == 1
    watch.trained(judged=False)
    watch.run(dg.DagsterRunStatus.FAILURE)
    assert watch.tick() == []
    watch.now += 600
    (request,) = watch.tick()
    assert "version 1 was never judged" in request.tags["parivision/reason"]


def test_other_features_are_a_reason_in_a_platform_at_rest(watch: Watch, more: Callable[[int, int], None]) -> None:
    more(2, 1)
    assert len(watch.tick()) == 1
    watch.run(dg.DagsterRunStatus.SUCCESS)
    watch.trained(schema="of yesterday's code")
    watch.cursor = (watch.cursor or "").replace(NBA.schema, "of yesterday's code")
    assert "other features" in watch.tick()[0].tags["parivision/reason"]


def test_another_registry_gets_a_candidate_and_one_reported_by_hand_counts_for_nothing(
    watch: Watch, more: Callable[[int, int], None]
) -> None:
    more(2, 1)
    watch.trained(registry=registry_name("http://elsewhere"))
    assert watch.tick()[0].tags["parivision/reason"] == "there is no candidate yet"
    watch.instance.report_runless_asset_event(dg.AssetMaterialization("trained_model"))
    assert isinstance(watch.morning(), dg.RunRequest)


def test_the_morning_waits_for_a_training_under_way(watch: Watch, more: Callable[[int, int], None]) -> None:
    more(2, 1)
    watch.run(dg.DagsterRunStatus.STARTED)
    assert isinstance(watch.morning(), dg.SkipReason)
