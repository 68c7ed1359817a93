"""The sensor that requests ingests: one run at a time for all waiting batches, and failed batches tried again."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from parivision_assets.definitions import build
from parivision_assets.defs.feed import sensors
from parivision_assets.feeds.base import Offers
from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.orchestration import run_requests
from parivision_assets.orchestration.keys import INGEST_TAG
from parivision_assets.orchestration.partitions import RANGE_END_TAG, RANGE_START_TAG, contiguous_ranges
from parivision_assets.orchestration.run_requests import PRIORITY_TAG
from parivision_assets.resources import FeedsResource, FileStoreResource
from parivision_assets.steps.feed.ingesting import ingest
from parivision_core.nba.shots import NBA
from parivision_core.settings import Settings
from parivision_core.store import open_files
from tests.helpers import shots


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


class IngestSensor:
    """The sensor with an inbox and a clock that tests move."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
        self.inbox = folder / "inbox"
        self.instance = instance
        self.store = open_files(folder, NBA)
        self.cursor: str | None = None
        self.resources = {
            "store": FileStoreResource(home=str(folder)),
            "feeds": FeedsResource(names=["inbox"], inbox=str(self.inbox), inbox_settle_seconds=0),
        }
        self.skip_reason: str | None = ""
        self.now = 1_000_000.0
        self.definitions = build([NBA], Settings(home=folder, inbox_settle_seconds=0).resolved())
        monkeypatch.setattr(sensors, "time", lambda: self.now)
        monkeypatch.setattr(run_requests, "STARTED", 0.0)

    def drop(self, name: str, seed: int) -> None:
        shots.write(shots.season(games=1, shots=8, seed=seed, start=f"2022-11-{seed:02d}"), self.inbox / name)

    def tick(self) -> list[dg.RunRequest]:
        """Evaluate once, and add the requested partitions as the daemon would."""
        self.skip_reason = ""
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
        self.skip_reason = result.skip_reason.skip_message if result.skip_reason else ""
        return list(result.run_requests or [])

    def ingest_all(self) -> None:
        """What a run would do: ingest, and record the materializations."""
        for batch in InboxFeed(self.inbox, 0).batches():
            ingest(batch, NBA, self.store)
            event = dg.AssetMaterialization("raw_shots", partition=batch.id)
            self.instance.report_runless_asset_event(event)


@pytest.fixture
def sensor(tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> IngestSensor:
    return IngestSensor(tmp_path, instance, monkeypatch)


def test_an_empty_inbox_requests_nothing(sensor: IngestSensor) -> None:
    assert sensor.tick() == []


def test_all_waiting_batches_go_into_one_run(sensor: IngestSensor) -> None:
    for seed, name in enumerate(("a.csv", "b.csv", "c.csv"), start=1):
        sensor.drop(name, seed)
    (request,) = sensor.tick()
    keys = sensor.instance.get_dynamic_partitions("nba_batches")
    assert [key[0] for key in keys] == ["a", "b", "c"]
    assert (request.tags[RANGE_START_TAG], request.tags[RANGE_END_TAG]) == (keys[0], keys[-1])
    assert request.tags[INGEST_TAG] == "nba"
    sensor.ingest_all()
    assert sensor.tick() == []


def test_the_requested_run_ingests_the_whole_range(sensor: IngestSensor) -> None:
    for seed, name in enumerate(("a.csv", "b.csv", "c.csv"), start=1):
        sensor.drop(name, seed)
    (request,) = sensor.tick()
    job = sensor.definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=sensor.instance,
        asset_selection=list(request.asset_selection or []),
        tags=dict(request.tags),
    )
    assert result.success
    assert len(sensor.store.manifests()) == 3
    assert len(sensor.instance.get_materialized_partitions(dg.AssetKey("raw_shots"))) == 3


def test_two_ticks_at_once_ingest_each_batch_once(sensor: IngestSensor) -> None:
    """As of two daemons: both see the same cursor, and both of their runs are executed."""
    sensor.drop("a.csv", 1)
    cursor = sensor.cursor
    requests = sensor.tick()
    sensor.cursor = cursor
    requests += sensor.tick()
    job = sensor.definitions.resolve_implicit_global_asset_job_def()
    for request in requests:
        chosen, tags = list(request.asset_selection or []), dict(request.tags)
        assert job.execute_in_process(instance=sensor.instance, asset_selection=chosen, tags=tags).success
    assert len(requests) == 2
    assert [manifest.inserted for manifest in sensor.store.manifests()] == [8]
    assert sensor.store.lake().num_rows == sensor.store.warehouse().num_rows == 8


def test_a_batch_is_not_requested_twice_at_once(sensor: IngestSensor) -> None:
    sensor.drop("a.csv", 1)
    (request,) = sensor.tick()
    assert sensor.tick() == []  # requested just now: wait before trying again
    run = dg.DagsterRun("ingest", status=dg.DagsterRunStatus.STARTED, tags={INGEST_TAG: "nba"})
    sensor.instance.add_run(run)
    sensor.now += 10_000
    sensor.drop("b.csv", 2)
    assert sensor.tick() == []  # an ingest is under way
    assert request.run_key is not None
    assert ":1:" in request.run_key


def test_after_an_ingest_a_training_can_go_first(sensor: IngestSensor) -> None:
    sensor.drop("a.csv", 1)
    (request,) = sensor.tick()
    job = sensor.definitions.resolve_implicit_global_asset_job_def()
    job.execute_in_process(
        instance=sensor.instance, asset_selection=list(request.asset_selection or []), tags=dict(request.tags)
    )
    (record,) = sensor.instance.get_run_records(limit=1)
    assert record.end_time
    sensor.drop("b.csv", 2)
    sensor.now = record.end_time + sensors.PAUSE_SECONDS - 1
    assert sensor.tick() == []
    sensor.now += 1
    assert len(sensor.tick()) == 1


def test_a_failed_batch_is_requested_again_with_a_new_key_and_longer_pauses(sensor: IngestSensor) -> None:
    sensor.drop("a.csv", 1)
    keys, waits = [], []
    for _ in range(4):
        before = sensor.now
        while not (requests := sensor.tick()):
            sensor.now += 30
        keys.append(requests[0].run_key)
        waits.append(sensor.now - before)
    attempts = [int(str(key).split(":")[1]) for key in keys]
    assert attempts == sorted(set(attempts))
    assert waits == sorted(waits)
    assert waits[:2] == [0, 60]
    sensor.ingest_all()
    sensor.now += 10_000
    assert sensor.tick() == []


def test_a_batch_whose_run_was_cut_off_with_the_platform_is_requested_at_once_and_the_run_does_not_count(
    sensor: IngestSensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor.drop("a.csv", 1)
    (first,) = sensor.tick()
    sensor.now += 10
    assert sensor.tick() == []
    monkeypatch.setattr(run_requests, "STARTED", sensor.now)  # the platform was stopped and started again
    (second,) = sensor.tick()
    assert ":1:" in str(first.run_key)
    assert ":1:" in str(second.run_key)
    assert first.run_key != second.run_key
    assert sensor.tick() == []  # but only once
    sensor.now += 60
    (third,) = sensor.tick()
    assert ":2:" in str(third.run_key)


def test_an_ingest_has_priority_in_the_queue(sensor: IngestSensor) -> None:
    sensor.drop("a.csv", 1)
    (request,) = sensor.tick()
    tags = (run_requests.CANDIDATE, request.tags, run_requests.FIRST_CANDIDATE)
    priorities = [int(each[PRIORITY_TAG]) for each in tags]
    assert 0 < priorities[0] < priorities[1] < priorities[2]  # other runs have 0


def test_a_batch_that_failed_often_is_requested_within_ten_minutes(sensor: IngestSensor) -> None:
    """What failed for hours, such as the disk or MongoDB, may be well again."""
    sensor.drop("a.csv", 1)
    assert len(sensor.tick()) == 1
    sensor.cursor = str(sensor.cursor).replace('"count":1', '"count":5000')
    sensor.now += run_requests.RETRY_SECONDS - 1
    assert sensor.tick() == []
    sensor.now += 1
    assert len(sensor.tick()) == 1


@pytest.mark.parametrize("days", [-1, 1])
def test_a_failed_batch_is_requested_again_although_the_clock_was_set(
    sensor: IngestSensor, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """Once at once, and then after pauses by the new clock; also when it is now before the start of the process."""
    sensor.drop("a.csv", 1)
    assert len(sensor.tick()) == 1
    monkeypatch.setattr(run_requests, "STARTED", sensor.now - 1)
    sensor.now += days * 86_400
    assert len(sensor.tick()) == 1
    for _ in range(3):
        sensor.now += 10
        assert sensor.tick() == []
    sensor.now += run_requests.RETRY_SECONDS
    assert len(sensor.tick()) == 1


def test_the_cursor_holds_waiting_batches_only_and_no_run_key_is_used_twice(sensor: IngestSensor) -> None:
    sensor.drop("a.csv", 1)
    (first,) = sensor.tick()
    assert sensor.cursor not in {None, "{}"}
    kept = (sensor.inbox / "a.csv").rename(sensor.inbox / "a.away")
    assert sensor.tick() == []
    assert sensor.cursor == "{}"
    kept.rename(sensor.inbox / "a.csv")
    sensor.now += 60
    (again,) = sensor.tick()
    assert again.run_key != first.run_key


def test_a_bad_batch_does_not_hold_up_a_new_one(sensor: IngestSensor) -> None:
    (sensor.inbox).mkdir(parents=True)
    (sensor.inbox / "a-bad.csv").write_text("what,is,this\n1,2,3\n")
    assert len(sensor.tick()) == 1
    sensor.drop("b.csv", 2)
    (request,) = sensor.tick()
    assert request.tags[RANGE_START_TAG] == request.tags[RANGE_END_TAG]
    assert request.tags[RANGE_START_TAG].startswith("b-")


def test_a_committed_batch_without_a_materialization_gets_one(sensor: IngestSensor) -> None:
    """The run died between the manifest and Dagster's event; otherwise nothing downstream would be refreshed."""
    sensor.drop("a.csv", 1)
    assert len(sensor.tick()) == 1
    (batch,) = InboxFeed(sensor.inbox, 0).batches()
    ingest(batch, NBA, sensor.store)
    (sensor.inbox / "a.csv").unlink()
    sensor.now += 10_000
    (request,) = sensor.tick()
    job = sensor.definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=sensor.instance, asset_selection=list(request.asset_selection or []), tags=dict(request.tags)
    )
    assert result.success
    assert sensor.instance.get_materialized_partitions(dg.AssetKey("raw_shots")) == {batch.id}
    logged = [entry.user_message for entry in sensor.instance.all_logs(result.run_id)]
    assert f"batch 1 of 1: {batch.id}: already in the lake, with 8 shots" in logged
    sensor.now += 10_000
    assert sensor.tick() == []


def test_what_is_never_offered_is_named_in_the_reason_to_skip(sensor: IngestSensor) -> None:
    assert sensor.tick() == []
    assert sensor.skip_reason == "the lake holds every batch"
    os.mkfifo(sensor.inbox / "pipe.csv")
    (sensor.inbox / os.fsdecode(b"two\nlines \xff.txt")).touch()
    assert sensor.tick() == []
    ignored = rf"Ignored in the inbox {sensor.inbox}: pipe.csv (a named pipe), two\nlines \xff.txt; it takes .csv"
    assert str(sensor.skip_reason).startswith(ignored)
    assert str(sensor.skip_reason).isprintable()
    sensor.drop("a.csv", 1)
    assert len(sensor.tick()) == 1


def test_an_inbox_that_cannot_be_read_is_named_in_the_reason_to_skip(sensor: IngestSensor) -> None:
    sensor.inbox.touch()
    assert sensor.tick() == []
    assert str(sensor.skip_reason).startswith(f"the inbox {sensor.inbox} can't be read: Not a directory; ")


def test_the_run_and_its_partition_name_what_was_passed_over_and_the_count(sensor: IngestSensor) -> None:
    """With a second batch, whose line in the log would follow at once and be left out."""
    sensor.inbox.mkdir()
    for name in ("a", "b"):
        with zipfile.ZipFile(sensor.inbox / f"{name}.zip", "w") as archive:
            archive.writestr(f"{name}.csv", shots.season(games=1, shots=8, seed=ord(name)).to_csv(index=False))
            archive.writestr(f"{name}.xlsx", "")
    sensor.drop("c.csv", 3)
    (request,) = sensor.tick()
    job = sensor.definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=sensor.instance, asset_selection=[dg.AssetKey("raw_shots")], tags=dict(request.tags)
    )
    logged = [entry.user_message for entry in sensor.instance.all_logs(result.run_id)]
    assert [line[-21:] for line in logged if "passed over" in line] == [
        "; passed over: a.xlsx",
        "; passed over: b.xlsx",
    ]
    found = [event.metadata for event in result.asset_materializations_for_node("raw_shots")]
    assert [metadata["counted"].value for metadata in found] == [8, 8, 8]
    assert {metadata["inferred"].value.get("passed_over") for metadata in found} == {"a.xlsx", "b.xlsx", None}


def test_a_problem_and_what_is_ignored_are_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensors, "_logged_problems", {})
    monkeypatch.setattr(sensors, "_logged_ignored", {})
    looks = [
        Offers([], {"one": "down"}, {"two": "Ignored: a"}),
        Offers([], {"one": "down"}, {"two": "Ignored: a"}),
        Offers([], {}, {"two": "Ignored: b"}),
        Offers([], {}, {}),
    ]
    assert [sensors._news(offers) for offers in looks] == [
        ["feed one: down", "feed two: Ignored: a"],
        [],
        ["feed one: works again", "feed two: Ignored: b"],
        [],
    ]


def test_contiguous_partitions_share_a_run_and_others_do_not() -> None:
    order = ["a", "b", "committed", "c", "d"]
    assert contiguous_ranges(["d", "a", "b", "c"], order) == [["a", "b"], ["c", "d"]]
    assert contiguous_ranges([], order) == []


def test_a_cursor_that_cannot_be_read_is_reported_and_the_sensor_begins_anew(sensor: IngestSensor) -> None:
    sensor.drop("a.csv", 1)
    sensor.cursor = '{"f":{"count":1,"la'
    assert len(sensor.tick()) == 1
