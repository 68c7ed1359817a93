"""The sensor at the door: one run for what waits, no run while one is under way, and failed batches offered again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.tags import PRIORITY_TAG

from parivision_assets.definitions import build
from parivision_assets.defs.feed import sensors
from parivision_assets.defs.feed.sensors import INGEST_TAG
from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.orchestration import run_requests
from parivision_assets.orchestration.partitions import stretches
from parivision_assets.resources import FeedsResource, FileStoreResource
from parivision_assets.steps.feed.ingesting import ingest
from parivision_core.nba.shots import NBA
from parivision_core.settings import Settings
from parivision_core.store import open_files
from tests.helpers import shots

START, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


class Door:
    """The sensor over an inbox, with a clock that tests move."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
        self.inbox = folder / "inbox"
        self.instance = instance
        self.store = open_files(folder, NBA)
        self.cursor: str | None = None
        self.resources = {
            "store": FileStoreResource(home=str(folder)),
            "feeds": FeedsResource(names=["inbox"], inbox=str(self.inbox), inbox_settle_seconds=0),
        }
        self.now = 1_000_000.0
        self.definitions = build([NBA], Settings(home=folder, inbox_settle_seconds=0).resolved())
        monkeypatch.setattr(sensors, "time", lambda: self.now)
        monkeypatch.setattr(run_requests, "STARTED", 0.0)

    def drop(self, name: str, seed: int) -> None:
        shots.write(shots.season(games=1, shots=8, seed=seed, start=f"2022-11-{seed:02d}"), self.inbox / name)

    def tick(self) -> list[dg.RunRequest]:
        """Evaluate once, and carry out what the daemon would."""
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, definitions=self.definitions, resources=self.resources
        )
        result = self.definitions.resolve_sensor_def("new_batches")(context)
        if isinstance(result, dg.SkipReason):
            return []
        assert isinstance(result, dg.SensorResult)
        for request in result.dynamic_partitions_requests or []:
            self.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        self.cursor = result.cursor
        return list(result.run_requests or [])

    def ingest_all(self) -> None:
        """What a run would do: ingest, and tell Dagster."""
        for batch in InboxFeed(self.inbox, 0).batches():
            ingest(batch, NBA, self.store)
            told = dg.AssetMaterialization("raw_shots", partition=batch.id)
            self.instance.report_runless_asset_event(told)


@pytest.fixture
def door(tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Door:
    return Door(tmp_path, instance, monkeypatch)


def test_an_empty_inbox_asks_for_nothing(door: Door) -> None:
    assert door.tick() == []


def test_all_waiting_batches_go_into_one_run(door: Door) -> None:
    for seed, name in enumerate(("a.csv", "b.csv", "c.csv"), start=1):
        door.drop(name, seed)
    (request,) = door.tick()
    keys = door.instance.get_dynamic_partitions("nba_batches")
    assert [key[0] for key in keys] == ["a", "b", "c"]
    assert (request.tags[START], request.tags[END]) == (keys[0], keys[-1])
    assert request.tags[INGEST_TAG] == "nba"
    door.ingest_all()
    assert door.tick() == []


def test_the_run_that_is_asked_for_ingests_the_whole_range(door: Door) -> None:
    for seed, name in enumerate(("a.csv", "b.csv", "c.csv"), start=1):
        door.drop(name, seed)
    (request,) = door.tick()
    job = door.definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=door.instance,
        asset_selection=list(request.asset_selection or []),
        tags=dict(request.tags),
    )
    assert result.success
    assert len(door.store.manifests()) == 3
    assert len(door.instance.get_materialized_partitions(dg.AssetKey("raw_shots"))) == 3


def test_a_batch_is_not_asked_for_twice_at_once(door: Door) -> None:
    door.drop("a.csv", 1)
    (request,) = door.tick()
    assert door.tick() == []  # launched a moment ago: wait before trying again
    run = dg.DagsterRun("ingest", status=dg.DagsterRunStatus.STARTED, tags={INGEST_TAG: "nba"})
    door.instance.add_run(run)
    door.now += 10_000
    door.drop("b.csv", 2)
    assert door.tick() == []  # an ingest is under way
    assert request.run_key is not None
    assert ":1:" in request.run_key


def test_after_an_ingest_a_candidate_has_the_first_chance(door: Door) -> None:
    door.drop("a.csv", 1)
    (request,) = door.tick()
    job = door.definitions.resolve_implicit_global_asset_job_def()
    job.execute_in_process(
        instance=door.instance, asset_selection=list(request.asset_selection or []), tags=dict(request.tags)
    )
    (record,) = door.instance.get_run_records(limit=1)
    assert record.end_time
    door.drop("b.csv", 2)
    door.now = record.end_time + sensors.PAUSE_SECONDS - 1
    assert door.tick() == []
    door.now += 1
    assert len(door.tick()) == 1


def test_a_failed_or_killed_batch_is_offered_again_under_a_new_key_and_later_each_time(door: Door) -> None:
    door.drop("a.csv", 1)
    keys, waits = [], []
    for _ in range(4):
        asked_at = door.now
        while not (requests := door.tick()):
            door.now += 30
        keys.append(requests[0].run_key)
        waits.append(door.now - asked_at)
    attempts = [int(str(key).split(":")[1]) for key in keys]
    assert attempts == sorted(set(attempts))
    assert waits == sorted(waits)
    assert waits[:2] == [0, 60]
    door.ingest_all()
    door.now += 10_000
    assert door.tick() == []


def test_a_batch_whose_run_was_cut_off_with_the_platform_is_offered_at_once_and_that_was_no_try(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    door.drop("a.csv", 1)
    (first,) = door.tick()
    door.now += 10
    assert door.tick() == []
    monkeypatch.setattr(run_requests, "STARTED", door.now)  # the house was ended and is up again
    (second,) = door.tick()
    assert ":1:" in str(first.run_key)
    assert ":1:" in str(second.run_key)
    assert first.run_key != second.run_key
    assert door.tick() == []  # but not again and again
    door.now += 60
    (third,) = door.tick()
    assert ":2:" in str(third.run_key)


def test_an_ingest_goes_before_what_waits_in_the_queue(door: Door) -> None:
    door.drop("a.csv", 1)
    (request,) = door.tick()
    places = [int(tags[PRIORITY_TAG]) for tags in (run_requests.CANDIDATE, request.tags, run_requests.FIRST_CANDIDATE)]
    assert 0 < places[0] < places[1] < places[2]  # 0 is the place of all others


def test_a_batch_that_fails_for_ever_is_asked_for_every_hour_and_never_breaks_the_sensor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_requests, "STARTED", 0.0)
    assert sensors.Launches(5000, 0.0).retry_at() == sensors.LONGEST_RETRY_SECONDS


def test_what_was_committed_is_forgotten_and_a_run_key_is_never_used_again(door: Door) -> None:
    door.drop("a.csv", 1)
    (first,) = door.tick()
    assert door.cursor not in {None, "{}"}
    kept = (door.inbox / "a.csv").rename(door.inbox / "a.away")
    assert door.tick() == []
    assert door.cursor == "{}"
    kept.rename(door.inbox / "a.csv")
    door.now += 60
    (again,) = door.tick()
    assert again.run_key != first.run_key


def test_a_poisoned_batch_does_not_hold_up_a_new_one(door: Door) -> None:
    (door.inbox).mkdir(parents=True)
    (door.inbox / "a-poisoned.csv").write_text("what,is,this\n1,2,3\n")
    assert len(door.tick()) == 1
    door.drop("b.csv", 2)
    (request,) = door.tick()
    assert request.tags[START] == request.tags[END]
    assert request.tags[START].startswith("b-")


def test_a_batch_that_was_committed_but_never_announced_is_announced(door: Door) -> None:
    """The run died between the manifest and Dagster's event; else nothing behind the lake would ever be refreshed."""
    door.drop("a.csv", 1)
    assert len(door.tick()) == 1
    (batch,) = InboxFeed(door.inbox, 0).batches()
    ingest(batch, NBA, door.store)
    (door.inbox / "a.csv").unlink()
    door.now += 10_000
    (request,) = door.tick()
    job = door.definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=door.instance, asset_selection=list(request.asset_selection or []), tags=dict(request.tags)
    )
    assert result.success
    assert door.instance.get_materialized_partitions(dg.AssetKey("raw_shots")) == {batch.id}
    said = [entry.user_message for entry in door.instance.all_logs(result.run_id)]
    assert f"batch 1 of 1: {batch.id}: already in the lake, with 8 shots" in said
    door.now += 10_000
    assert door.tick() == []


def test_neighbours_share_a_run_and_others_do_not() -> None:
    order = ["a", "b", "committed", "c", "d"]
    assert stretches(["d", "a", "b", "c"], order) == [["a", "b"], ["c", "d"]]
    assert stretches([], order) == []
