"""What the automation asks for on Dagster's own evaluator: one run for all, nothing twice, and again after a death."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from parivision_assets.definitions import build
from parivision_core.nba import NBA
from parivision_core.settings import Settings

RAW, FEATURES, TRAINED, CHAMPION = (
    dg.AssetKey(name) for name in ("raw_shots", "shot_features", "trained_model", "champion_model")
)
BEHIND = {FEATURES, TRAINED, CHAMPION}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


class Automation:
    """The automation sensor's evaluations, on a clock that tests move."""

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

    def run_behind(self, dies_in: dg.AssetKey | None = None) -> None:
        """Run what was asked for with stand-ins that do nothing, or die in one of them."""

        def stand_in(key: dg.AssetKey, upstream: list[dg.AssetKey]) -> dg.AssetsDefinition:
            @dg.asset(key=key, deps=upstream)
            def made() -> None:
                if key == dies_in:
                    raise RuntimeError("killed")

            return made

        chain = [stand_in(FEATURES, []), stand_in(TRAINED, [FEATURES]), stand_in(CHAMPION, [TRAINED])]
        dg.materialize(chain, instance=self.instance, raise_on_error=False)


@pytest.fixture
def automation(tmp_path: Path, instance: dg.DagsterInstance) -> Automation:
    return Automation(tmp_path, instance)


def test_a_batch_refreshes_all_behind_it_in_one_run(automation: Automation) -> None:
    assert automation.tick() == set()
    automation.batch_arrives("a")
    assert automation.tick() == BEHIND
    automation.run_behind()
    assert automation.tick() == set()
    assert automation.tick(minutes=30) == set()


def test_a_batch_that_is_missing_stalls_no_other(automation: Automation) -> None:
    automation.instance.add_dynamic_partitions("nba_batches", ["poisoned"])
    automation.batch_arrives("a")
    assert automation.tick() == BEHIND


def test_a_run_that_died_is_asked_for_again_but_not_at_every_tick(automation: Automation) -> None:
    automation.batch_arrives("a")
    assert automation.tick() == BEHIND
    automation.run_behind(dies_in=FEATURES)
    assert automation.tick() == set()
    assert FEATURES in automation.tick(minutes=10)
    assert automation.tick() == set()
    automation.run_behind()
    assert automation.tick(minutes=30) == set()
