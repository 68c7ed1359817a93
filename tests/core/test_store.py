"""What any kind of store must do. A new kind joins by adding itself to `KINDS`."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from parivision_core.nba import NBA, form
from parivision_core.problems import StoreError
from parivision_core.records import Manifest, Quarantined, Verdict
from parivision_core.store.base import Store, WarehouseState
from parivision_core.store.files import FileStore

KINDS: dict[str, Callable[[Path], Store]] = {"files": lambda folder: FileStore(folder, NBA.lake, NBA.warehouse)}


@pytest.fixture(params=KINDS)
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Opens the same store, as another process would."""
    return lambda: KINDS[request.param](tmp_path)


def manifest(batch: str = "b", inserted: int = 2, quarantined: int = 0, first: str = "2023-01-01") -> Manifest:
    return Manifest(
        batch_id=batch,
        fingerprint=f"f-{batch}",
        feed="inbox",
        source="x.csv",
        rows=inserted + quarantined,
        inserted=inserted,
        duplicates=0,
        quarantined=quarantined,
        attempt=1,
        layout="season",
        first_date=first,
        last_date="2023-01-02",
    )


def shots_of(batch: str) -> pa.Table:
    return pa.table({"_id": [f"{batch}1", f"{batch}2"], "game_date": ["2023-01-01", "2023-01-02"], "made": [0, 1]})


def bad_row(batch: str = "b") -> Quarantined:
    return Quarantined(batch_id=batch, row=3, reason="no player", raw="{}")


def verdict(candidate: int) -> Verdict:
    return Verdict(
        candidate=candidate,
        champion=None,
        epoch=0,
        decision="pass",
        reason="r",
        games=40,
        shots=9,
        margin=0.001,
        level=0.95,
    )


def test_a_batch_is_there_as_a_whole(reopen: Callable[[], Store]) -> None:
    reopen().commit_batch(manifest(quarantined=1), shots_of("b"), [bad_row()])
    store = reopen()
    assert store.manifests() == [manifest(quarantined=1)] or store.manifests()[0].batch_id == "b"
    assert sorted(store.lake()["_id"].to_pylist()) == ["b1", "b2"]
    assert store.quarantine() == store.quarantine("b") == [bad_row()]
    assert store.quarantine("other") == []


def test_rows_must_be_conserved() -> None:
    with pytest.raises(ValueError, match="5 rows in"):
        Manifest(
            batch_id="b",
            fingerprint="f",
            feed="i",
            source="s",
            rows=5,
            inserted=3,
            duplicates=1,
            quarantined=0,
            attempt=1,
            layout="l",
        )


def test_a_batch_is_committed_once(reopen: Callable[[], Store]) -> None:
    store = reopen()
    store.commit_batch(manifest(), shots_of("b"), [])
    with pytest.raises(StoreError, match="committed already"):
        store.commit_batch(manifest(), shots_of("b"), [])
    assert len(store.manifests()) == 1
    assert store.lake().num_rows == 2  # what was committed is untouched


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


def test_failures_are_counted_and_forgotten_on_commit(reopen: Callable[[], Store]) -> None:
    store = reopen()
    store.record_failure("f-b", "b", "first")
    assert store.record_failure("f-b", "b", "second").attempts == 2
    assert [(f.batch_id, f.error) for f in reopen().failures()] == [("b", "second")]
    store.commit_batch(manifest(), shots_of("b"), [])
    assert store.failures() == []


def test_warehouse_and_form_change_together(reopen: Callable[[], Store]) -> None:
    store, record = reopen(), form.Form(schema="s").record()
    table = pa.table({"_id": ["1"], "made": [1]})
    state = WarehouseState(schema="s", base_fingerprint="b", form_stamp=record.stamp, batches=("x",), rows=2)
    store.publish_warehouse({"2022": table, "2023": table}, state, {"current": record, "after-2022": record})
    again = reopen()
    assert again.warehouse_parts() == {"2022": 1, "2023": 1}
    assert again.warehouse_state() == state
    assert again.get_form() == again.get_form("after-2022") == record
    assert again.form_stamp() == record.stamp
    assert again.warehouse(["made"], ["2023"]).to_pydict() == {"made": [1]}
    two = pa.table({"_id": ["1", "2"], "made": [1, 0]})
    again.publish_warehouse({"2023": two}, state, {})
    assert reopen().warehouse_parts() == {"2022": 1, "2023": 2}
    assert reopen().warehouse().num_rows == 3


def test_an_empty_store_answers(reopen: Callable[[], Store]) -> None:
    store = reopen()
    assert store.manifests() == store.quarantine() == store.failures() == store.verdicts() == []
    assert store.get_form() is None
    assert store.form_stamp() is None
    assert store.lake().num_rows == store.warehouse().num_rows == 0
    assert store.warehouse_state() == WarehouseState()


def test_the_ledger_is_newest_first(reopen: Callable[[], Store]) -> None:
    store = reopen()
    for candidate in (1, 2, 1):
        store.put_verdict(verdict(candidate))
    assert [v.candidate for v in reopen().verdicts()] == [1, 2, 1]
    assert len(store.verdicts(candidate=1)) == 2
    assert len(store.verdicts(limit=1)) == 1


def _hold(folder: Path, held: multiprocessing.synchronize.Event) -> None:
    with FileStore(folder).exclusive("test"):
        held.set()
        multiprocessing.Event().wait(60)


def test_a_lock_excludes_other_processes_and_dies_with_its_holder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    holder = context.Process(target=_hold, args=(tmp_path, held))
    store = FileStore(tmp_path)
    holder.start()
    try:
        assert held.wait(60)
        with pytest.raises(StoreError, match=f"held by process {holder.pid}"), store.exclusive("test", wait_seconds=0):
            pass
    finally:
        holder.kill()
        holder.join()
    with store.exclusive("test", wait_seconds=5):
        pass


def _open(folder: Path) -> None:
    FileStore(folder).record_failure("f", "b", "e")


def test_many_may_open_a_new_store_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    openers = [context.Process(target=_open, args=(tmp_path / "new",)) for _ in range(6)]
    for opener in openers:
        opener.start()
    for opener in openers:
        opener.join()
    assert [opener.exitcode for opener in openers] == [0] * 6
    assert FileStore(tmp_path / "new").failures()[0].attempts == 6


def test_a_store_of_another_version_says_so(tmp_path: Path) -> None:
    FileStore(tmp_path)
    with sqlite3.connect(tmp_path / "meta.sqlite") as db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
    with pytest.raises(StoreError, match="format 99"):
        FileStore(tmp_path)


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
