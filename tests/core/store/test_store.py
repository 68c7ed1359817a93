"""What every kind of store must do."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from parivision_core.nba.shots.history import feature_state
from parivision_core.problems import StoreError
from parivision_core.records import Manifest
from parivision_core.store import files
from parivision_core.store.base import Store, WarehouseState
from parivision_core.store.files import FileStore
from parivision_core.store.mongo import documents, lease
from parivision_core.store.mongo import store as mongo_store
from tests.helpers.batches import bad_row, manifest, refused, rows, shots_of, verdict
from tests.helpers.stores import Place, opened


@pytest.fixture
def reopen(place: Place) -> Callable[[], Store]:
    """Opens the same store, as another process would."""
    return lambda: opened(place)


def test_a_batch_is_committed_as_a_whole(reopen: Callable[[], Store]) -> None:
    reopen().commit_batch(manifest(quarantined=1), shots_of("b"), [bad_row()])
    store = reopen()
    (kept,) = store.manifests()
    assert msgspec.structs.replace(manifest(quarantined=1), committed_at=kept.committed_at) == kept
    assert sorted(store.lake()["_id"].to_pylist()) == ["b1", "b2"]
    assert store.quarantine() == store.quarantine("b") == [bad_row()]
    assert store.quarantine("other") == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rows": 5}, r"5 rows in, but 2 inserted \+ 0 duplicates \+ 1 quarantined"),
        ({"counted": 4}, "4 rows were counted, but 3 rows are in"),
    ],
)
def test_rows_must_be_conserved(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        msgspec.structs.replace(manifest(quarantined=1), **wrong)


def test_a_manifest_from_before_the_count_is_read() -> None:
    document = msgspec.to_builtins(manifest())
    del document["counted"]
    assert msgspec.convert(document, Manifest).counted is None


def test_a_batch_is_committed_once(reopen: Callable[[], Store]) -> None:
    store = reopen()
    store.commit_batch(manifest(), shots_of("b"), [])
    with pytest.raises(StoreError, match="committed already"):
        store.commit_batch(manifest(), shots_of("b"), [])
    assert len(store.manifests()) == 1
    assert store.lake().num_rows == 2  # what was committed is unchanged


def test_the_lake_is_read_by_date_and_column(reopen: Callable[[], Store]) -> None:
    store = reopen()
    store.commit_batch(manifest("a"), shots_of("a"), [])
    store.commit_batch(manifest("b"), shots_of("b"), [])
    assert store.lake(["_id"]).column_names == ["_id"]
    assert sorted(store.lake(["_id"], since="2023-01-02")["_id"].to_pylist()) == ["a2", "b2"]
    assert sorted(store.lake(["_id"], until="2023-01-01")["_id"].to_pylist()) == ["a1", "b1"]
    assert store.lake(["_id"], since="2024-01-01").num_rows == 0


def test_a_batch_of_duplicates_alone_exists_without_shots(reopen: Callable[[], Store]) -> None:
    store = reopen()
    empty = Manifest(
        batch_id="d",
        fingerprint="f-d",
        feed="i",
        source="s",
        rows=2,
        inserted=0,
        duplicates=2,
        quarantined=0,
        attempt=1,
        layout="l",
    )
    store.commit_batch(empty, shots_of("d").slice(0, 0), [])
    assert store.manifests()[0].duplicates == 2
    assert store.lake().num_rows == 0


def test_a_batch_and_single_days_can_be_read_alone(reopen: Callable[[], Store]) -> None:
    store = reopen()
    store.commit_batch(manifest("a"), shots_of("a"), [bad_row("a")])
    store.commit_batch(manifest("b"), shots_of("b"), [])
    assert sorted(store.lake(["_id"], batch="b")["_id"].to_pylist()) == ["b1", "b2"]
    assert sorted(store.lake(["_id"], days=["2023-01-02", "2024-01-01"])["_id"].to_pylist()) == ["a2", "b2"]
    assert store.lake(["_id"], days=["2023-01-02"], batch="a")["_id"].to_pylist() == ["a2"]
    assert store.lake(days=[]).num_rows == store.lake(batch="c").num_rows == 0
    assert store.quarantine("a") == [bad_row("a")]
    assert store.quarantine("b") == []


def test_the_lake_is_read_in_pieces(reopen: Callable[[], Store], monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded by the batch or less, never by the collection."""
    monkeypatch.setattr(documents, "PIECE", 3)
    monkeypatch.setattr(mongo_store, "PIECE", 3)
    store = reopen()
    for name in "abcd":
        store.commit_batch(manifest(name), shots_of(name), [])
    pieces = [piece.num_rows for piece in store.scan(["_id"])]
    assert sum(pieces) == 8
    assert max(pieces) <= 3


def test_every_type_and_text_comes_back_as_it_was(reopen: Callable[[], Store]) -> None:
    store = reopen()
    table = pa.table(
        {
            "_id": ["1", "2"],
            "game_date": ["2023-01-01", "2023-01-02"],
            "small": pa.array([-128, 127], pa.int8()),
            "short": pa.array([-32768, 32767], pa.int16()),
            "long": pa.array([-(2**62), 2**62], pa.int64()),
            "single": pa.array([0.1, -1.5e30], pa.float32()),
            "double": pa.array([0.1, 1e300], pa.float64()),
            "text": [
                '{"a.b": 1, "$where": "c", "d": null, "": [NaN]}',
                'Luka Don\u010di\u0107 \U0001f3c0 \\ " \n \x00',
            ],
            "empty": ["", None],
        }
    )
    store.commit_batch(manifest(), table, [])
    assert reopen().lake().select(table.column_names).sort_by("_id").equals(table)
    store.publish_warehouse({"2023": table}, WarehouseState(rows=2), {})
    assert reopen().warehouse().equals(table)


def test_a_manifest_keeps_what_it_knows(reopen: Callable[[], Store]) -> None:
    details: dict[str, str | int | float] = {"unit": "feet.$", "hand": -1, "agreement": 0.9987}
    full = msgspec.structs.replace(manifest(), details=details, resolves=(("a", 3), ("a", 17)))
    reopen().commit_batch(full, shots_of("b"), [])
    assert reopen().manifests() == [full]


@pytest.mark.parametrize(
    ("column", "values", "why"),
    [
        ("x", [1.0, float("nan")], "x of b2 is nan"),
        ("x", [float("-inf"), 1.0], "x of b1 is -inf"),
        ("_id", ["b1", "b1"], "an _id of the shots is missing or not unique"),
        ("_id", ["b1", None], "an _id of the shots is missing or not unique"),
        ("a.b", [1, 2], "can't be named 'a.b'"),
        ("$where", [1, 2], "can't be named '\\$where'"),
    ],
)
def test_what_no_kind_of_store_keeps_is_refused(
    reopen: Callable[[], Store], column: str, values: list[object], why: str
) -> None:
    table = shots_of("b")
    table = table.drop_columns(column) if column in table.column_names else table
    refused(reopen(), table.append_column(column, pa.array(values)), why)


@pytest.mark.parametrize("ids", [["2", "1"], ["1", "1"], [None, "1"]])
def test_a_part_out_of_order_is_refused(reopen: Callable[[], Store], ids: list[str | None]) -> None:
    store = reopen()
    with pytest.raises(StoreError, match="part 2023 of the warehouse isn't sorted"):
        store.publish_warehouse({"2023": pa.table({"_id": pa.array(ids)})}, WarehouseState(), {})
    assert store.warehouse_parts() == {}


def test_an_attempt_that_fails_leaves_nothing_and_can_be_repeated(
    reopen: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = reopen()
    store.commit_batch(manifest("a"), shots_of("a"), [])
    twice = [bad_row(), bad_row()]  # one row can't be in quarantine twice
    with pytest.raises(StoreError):
        store.commit_batch(manifest(quarantined=2), shots_of("b"), twice)
    assert [m.batch_id for m in store.manifests()] == ["a"]
    assert sorted(store.lake()["_id"].to_pylist()) == ["a1", "a2"]
    assert store.quarantine() == []
    store.commit_batch(manifest(quarantined=1), shots_of("b"), [bad_row()])
    assert sorted(reopen().lake()["_id"].to_pylist()) == ["a1", "a2", "b1", "b2"]
    assert store.quarantine() == [bad_row()]


def test_failures_are_counted_and_forgotten_on_commit(reopen: Callable[[], Store]) -> None:
    store = reopen()
    store.record_failure("f-b", "b", "first")
    assert store.record_failure("f-b", "b", "second").attempts == 2
    assert [(f.batch_id, f.error) for f in reopen().failures()] == [("b", "second")]
    store.commit_batch(manifest(), shots_of("b"), [])
    assert store.failures() == []


def test_warehouse_and_feature_state_change_together(reopen: Callable[[], Store]) -> None:
    store, record = reopen(), feature_state.FeatureState(schema="s").record()
    table = pa.table({"_id": ["1"], "made": [1]})
    state = WarehouseState(schema="s", base_fingerprint="b", feature_state_stamp=record.stamp, batches=("x",), rows=2)
    store.publish_warehouse({"2022": table, "2023": table}, state, {"current": record, "after-2022": record})
    again = reopen()
    assert again.warehouse_parts() == {"2022": 1, "2023": 1}
    assert again.warehouse_state() == state
    assert again.get_feature_state() == again.get_feature_state("after-2022") == record
    assert again.feature_state_stamp() == record.stamp
    assert again.warehouse(["made"], ["2023"]).to_pydict() == {"made": [1]}
    two = pa.table({"_id": ["1", "2"], "made": [1, 0]})
    again.publish_warehouse({"2023": two}, state, {})
    assert reopen().warehouse_parts() == {"2022": 1, "2023": 2}
    assert reopen().warehouse().num_rows == 3


@pytest.mark.parametrize(
    "after",
    [
        rows("acegi", [1, 2, 3, 4, 5]),  # a later day comes
        rows("abcde", [1, 2, 3, 4, 5]),  # an earlier one changes what follows
        rows("ace", [1, 2, 4]),  # a value changes
        rows("ac", [1, 2]),  # rows are removed
        rows("ace", [1, 2, 3], "g"),  # other features
        rows("acegi", [1, 2, 3, 4, 5], "g"),
        rows("", []),
    ],
)
def test_a_part_becomes_what_was_published_last(reopen: Callable[[], Store], after: pa.Table) -> None:
    store, before = reopen(), rows("ace", [1, 2, 3])
    store.publish_warehouse({"2022": before, "2023": before}, WarehouseState(), {})
    store.publish_warehouse({"2023": before}, WarehouseState(), {})
    store.publish_warehouse({"2023": after}, WarehouseState(rows=after.num_rows), {})
    for _ in range(2):
        assert reopen().warehouse(parts=["2023"]).equals(after)
        assert reopen().warehouse(parts=["2022"]).equals(before)
        assert reopen().warehouse_parts() == {"2022": 3} | ({"2023": after.num_rows} if after.num_rows else {})
        store.publish_warehouse({}, WarehouseState(), {})


def test_a_part_without_rows_is_not_named(reopen: Callable[[], Store]) -> None:
    store, day = reopen(), "a"
    store.publish_warehouse({"2022": rows(day, [1]), "2023": rows(day, [2])}, WarehouseState(), {})
    store.publish_warehouse({"2023": rows(day, [2]).slice(0, 0)}, WarehouseState(), {})
    assert reopen().warehouse_parts() == {"2022": 1}
    assert store.warehouse().equals(rows(day, [1]))
    store.publish_warehouse({"2022": rows(day, [1]).slice(0, 0)}, WarehouseState(), {})
    assert (reopen().warehouse_parts(), store.warehouse().num_rows) == ({}, 0)
    store.publish_warehouse({"2023": rows(day, [3])}, WarehouseState(), {})
    assert store.warehouse().equals(rows(day, [3]))


def test_a_part_grows_by_rows(reopen: Callable[[], Store]) -> None:
    """Day by day, as a season does: it is read as one table, from a handful of files."""
    store, before = reopen(), rows("abc", [1, 2, 3])
    store.publish_warehouse({"2022": before, "2023": before}, WarehouseState(rows=6), {})
    days = "defghijklmnopqrstuvwxyz"
    for n, day in enumerate(days):
        store.publish_warehouse({}, WarehouseState(rows=7 + n), {}, {"2023": rows(day, [4 + n])})
        assert reopen().warehouse_parts() == {"2022": 3, "2023": 4 + n}
    assert reopen().warehouse(parts=["2023"]).equals(rows("abc" + days, list(range(1, 27))))
    assert reopen().warehouse(["f"], ["2022"]).to_pydict() == {"f": [1, 2, 3]}
    store.publish_warehouse({"2023": before}, WarehouseState(rows=6), {})
    assert reopen().warehouse(parts=["2023"]).equals(before)


def test_a_feature_state_may_be_larger_than_a_document(reopen: Callable[[], Store]) -> None:
    store, small = reopen(), feature_state.FeatureState(schema="s").record()
    large = msgspec.structs.replace(small, stamp="large", payload=bytes(range(256)) * 70_000)
    store.publish_warehouse({}, WarehouseState(), {"current": small, "after-2022": small})
    store.publish_warehouse({}, WarehouseState(), {"current": large})
    assert reopen().get_feature_state() == large
    assert reopen().feature_state_stamp() == "large"
    assert reopen().get_feature_state("after-2022") == small
    assert reopen().get_feature_state("after-2023") is reopen().feature_state_stamp("after-2023") is None


def test_an_empty_store_answers(reopen: Callable[[], Store]) -> None:
    store = reopen()
    assert store.manifests() == store.quarantine() == store.failures() == store.verdicts() == []
    assert store.get_feature_state() is None
    assert store.feature_state_stamp() is None
    assert store.lake().num_rows == store.warehouse().num_rows == 0
    assert store.warehouse_state() == WarehouseState()


def test_the_ledger_is_newest_first(reopen: Callable[[], Store]) -> None:
    store = reopen()
    for candidate in (1, 2, 1):
        store.put_verdict(verdict(candidate))
    assert [v.candidate for v in reopen().verdicts()] == [1, 2, 1]
    assert len(store.verdicts(candidate=1)) == 2
    assert len(store.verdicts(limit=1)) == 1
    assert store.verdicts(limit=0) == []
    for kept in reopen().verdicts(candidate=2):
        assert kept == msgspec.structs.replace(verdict(2), judged_at=kept.judged_at)


def _hold(place: Place, held: multiprocessing.synchronize.Event) -> None:
    with opened(place).exclusive("test"):
        held.set()
        multiprocessing.Event().wait(60)


def test_a_lock_excludes_other_processes_and_dies_with_its_holder(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 1.0)
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    holder = context.Process(target=_hold, args=(place, held))
    store = opened(place)
    holder.start()
    try:
        assert held.wait(60)
        with pytest.raises(StoreError, match=f"held by process {holder.pid}"), store.exclusive("test", wait_seconds=0):
            pass
    finally:
        holder.kill()
        holder.join()
    with store.exclusive("test", wait_seconds=10), store.exclusive("other", wait_seconds=0):
        pass


def _open(place: Place) -> None:
    opened(place).record_failure("f", "b", "e")


def test_many_may_open_a_new_store_at_once(place: Place) -> None:
    context = multiprocessing.get_context("spawn")
    openers = [context.Process(target=_open, args=(place,)) for _ in range(4)]
    for opener in openers:
        opener.start()
    for opener in openers:
        opener.join()
    assert [opener.exitcode for opener in openers] == [0] * 4
    assert opened(place).failures()[0].attempts == 4


def test_a_store_of_another_version_is_refused(tmp_path: Path) -> None:
    FileStore(tmp_path)
    with sqlite3.connect(tmp_path / "meta.sqlite") as db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
    with pytest.raises(StoreError, match="format 99"):
        FileStore(tmp_path)


def test_a_reader_starts_over_when_publications_removed_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(tmp_path)
    store.publish_warehouse({"2022": rows("a", [1]), "2023": rows("b", [2])}, WarehouseState(), {})
    read, overtaken = files.read, []

    def overtake(path: Path, *arguments: Any, **named: Any) -> pa.Table:
        if not overtaken:
            overtaken.append(path)
            for day in "cd":
                store.publish_warehouse({}, WarehouseState(), {}, {"2023": rows(day, [3])})
        return read(path, *arguments, **named)

    monkeypatch.setattr(files, "read", overtake)
    assert store.warehouse()["_id"].to_pylist() == ["a", "b", "c", "d"]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.commit_batch(manifest(), shots_of("b"), [])
    (file,) = (tmp_path / "lake").glob("b-*.parquet")
    file.write_bytes(b"rubbish")
    with pytest.raises(StoreError, match=f"can't read .*{file.name}"):
        store.lake()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="can't open the store"):
        FileStore(tmp_path / "file" / "store")
