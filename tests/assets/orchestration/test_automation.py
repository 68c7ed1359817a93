"""What the automation conditions request, on Dagster's own evaluator: once for new data, and again after a failure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from parivision_assets.definitions import build
from parivision_assets.orchestration.keys import TRAINING_TAG
from parivision_assets.orchestration.partitions import batches_of, ingest_tags
from parivision_core.nba.shots import NBA
from parivision_core.settings import Settings

RAW, FEATURES, TRAINED, CHAMPION = (
    dg.AssetKey(name) for name in ("raw_shots", "shot_features", "trained_model", "champion_model")
)
UPSTREAM = {FEATURES: RAW, TRAINED: FEATURES, CHAMPION: TRAINED}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


class Automation:
    """Evaluations of the automation sensor, with a clock that tests move."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.definitions = build([NBA], Settings(home=folder).resolved())
        self.cursor = None
        self.now = dt.datetime(2026, 1, 1, 12, 1)
        self.tick()

    def tick(self, minutes: int = 1) -> set[dg.AssetKey]:
        self.now += dt.timedelta(minutes=minutes)
        result = dg.evaluate_automation_conditions(
            defs=self.definitions, instance=self.instance, cursor=self.cursor, evaluation_time=self.now
        )
        self.cursor = result.cursor  # type: ignore[assignment]
        return {r.key for r in result.results if not r.true_subset.is_empty}

    def batch_arrives(self, key: str) -> None:
        self.instance.add_dynamic_partitions("nba_batches", [key])
        self.instance.report_runless_asset_event(dg.AssetMaterialization(RAW, partition=key))

    def run(self, *keys: dg.AssetKey, dies_in: dg.AssetKey | None = None, refused: bool = False) -> None:
        """Run stand-ins for the assets, of which one may fail and the last may keep the champion."""

        def stand_in(key: dg.AssetKey) -> dg.AssetsDefinition:
            deps = [UPSTREAM[key]] if UPSTREAM[key] in keys else []
            checks = [dg.AssetCheckSpec("candidate_sound", asset=key)] if key == TRAINED else []

            @dg.asset(key=key, deps=deps, output_required=False, check_specs=checks)
            def made() -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
                if key == dies_in:
                    raise RuntimeError("killed")
                if key != CHAMPION or not refused:
                    yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)] if checks else [])

            return made

        tags = {TRAINING_TAG: "nba"} if {TRAINED, CHAMPION} <= set(keys) else {}
        dg.materialize([stand_in(key) for key in keys], instance=self.instance, raise_on_error=False, tags=tags)


@pytest.fixture
def automation(tmp_path: Path, instance: dg.DagsterInstance) -> Automation:
    return Automation(tmp_path, instance)


def test_a_batch_refreshes_the_warehouse_and_trains_nothing_by_itself(automation: Automation) -> None:
    assert automation.tick() == set()
    automation.batch_arrives("a")
    assert automation.tick() == {FEATURES}
    automation.run(FEATURES)
    assert automation.tick() == set()
    assert automation.tick(minutes=30) == set()


def test_a_missing_batch_does_not_hold_up_others(automation: Automation) -> None:
    automation.instance.add_dynamic_partitions("nba_batches", ["bad"])
    automation.batch_arrives("a")
    assert automation.tick() == {FEATURES}


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_of_batches_and_features_is_followed_by_features_only_if_it_failed(
    automation: Automation, fails: bool
) -> None:
    """The sensor's run has both assets selected, so that plain eager() takes the features for updated by it."""
    partitions = batches_of(NBA)
    automation.instance.add_dynamic_partitions(str(partitions.name), ["bad", "sound"])

    @dg.asset(key=RAW, partitions_def=partitions, backfill_policy=dg.BackfillPolicy.single_run())
    def raw(context) -> None:  # type: ignore[no-untyped-def]  # Dagster can't read a postponed annotation
        if fails:
            context.log_event(dg.AssetMaterialization(RAW, partition="sound"))
            raise RuntimeError("a batch can't be used")

    @dg.asset(key=FEATURES, deps=[RAW])
    def features() -> None:
        assert not fails

    run = (
        dg.Definitions([raw, features])
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            instance=automation.instance,
            asset_selection=[RAW, FEATURES],
            tags=ingest_tags(["bad", "sound"], NBA),
            raise_on_error=False,
        )
    )
    assert run.success == (not fails)
    assert automation.tick() == ({FEATURES} if fails else set())
    automation.run(FEATURES)
    assert automation.tick(minutes=30) == set()


def test_a_failed_run_is_requested_again_but_not_at_every_tick(automation: Automation) -> None:
    automation.batch_arrives("a")
    assert automation.tick() == {FEATURES}
    automation.run(FEATURES, dies_in=FEATURES)
    assert automation.tick() == set()
    assert automation.tick(minutes=10) == {FEATURES}
    assert automation.tick() == set()
    automation.run(FEATURES)
    assert automation.tick(minutes=30) == set()


def test_a_candidate_trained_alone_is_judged_and_one_refused_is_not_judged_again(automation: Automation) -> None:
    automation.run(TRAINED, CHAMPION, refused=True)
    assert automation.tick() == set()
    automation.run(TRAINED)
    assert automation.tick() == {CHAMPION}
    automation.run(CHAMPION, refused=True)
    assert automation.tick(minutes=30) == set()


def test_a_failed_promotion_is_requested_again(automation: Automation) -> None:
    automation.run(TRAINED, CHAMPION, dies_in=CHAMPION)
    assert automation.tick() == set()
    assert automation.tick(minutes=10) == {CHAMPION}
