"""The embedded store refuses what isn't as it was written, names it, and upgrades stores without checksums."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from parivision_core.checksums import crc_of
from parivision_core.nba.shots.history import feature_state
from parivision_core.problems import StoreError
from parivision_core.records import Links
from parivision_core.store import meta_file
from parivision_core.store.base import WarehouseState
from parivision_core.store.files import FileStore
from parivision_core.store.shots import ShotQuery
from tests.helpers.batches import bad_row, manifest, rows, shots_of, verdict
from tests.helpers.flips import equal, results_of_flips
from tests.helpers.lake import DAYS, commit, make_shots

FLIPS = 60


def filled(folder: Path) -> FileStore:
    """A store with a little of everything."""
    store, record = FileStore(folder), feature_state.FeatureState(schema="s").record()
    store.commit_batch(manifest(quarantined=1), shots_of("b"), [bad_row()])
    store.record_failure("f", "c", "cut off")
    state = WarehouseState(schema="s", feature_state_stamp=record.stamp, batches=("b",), rows=3)
    parts = {"2022": rows("a", [1]), "2023": rows("b", [2])}
    store.publish_warehouse(parts, state, {"current": record, "after-2022": record})
    store.put_verdict(verdict(candidate=1))
    return store


def everything(folder: Path) -> list[Any]:
    store = FileStore(folder)
    names = store.feature_state_names()
    return [
        store.lake().sort_by("_id"),
        store.find_shots(ShotQuery(), 50),
        store.manifests(),
        store.quarantine(),
        store.failures(),
        store.warehouse(),
        store.warehouse_parts(),
        store.warehouse_state(),
        names,
        [store.get_feature_state(name) for name in names],
        [store.feature_state_stamp(name) for name in names],
        store.verdicts(),
    ]


@pytest.mark.parametrize("pattern", ["lake/*.parquet", "warehouse/*.parquet", "meta.sqlite"])
def test_no_changed_bit_is_read_as_another_value(tmp_path: Path, pattern: str) -> None:
    filled(tmp_path)
    files = list(tmp_path.glob(pattern))
    found = results_of_flips(files, FLIPS, lambda: everything(tmp_path))
    assert set(found) <= {"refused", "same"}, found
    if pattern != "meta.sqlite":  # where half of the pages hold nothing
        assert found["refused"] == FLIPS * len(files)


def linked(folder: Path) -> FileStore:
    """A store of links alone, but for a few shots."""
    store, drawn = FileStore(folder), random.Random(2)
    commit(store, "a", make_shots(DAYS, 9, 1))
    pairs = [(drawn.randrange(10_000), drawn.randrange(10_000)) for _ in range(9_000)]
    commit(store, "b", make_shots(DAYS, 9, 2), Links(hides={"a": [2, 3], "b": [9]}, repeats={"a": pairs}))
    return store


def shown(folder: Path) -> list[Any]:
    store = FileStore(folder)
    return [store.lake().sort_by("_id"), store.find_shots(ShotQuery(), 50), store.stored("b"), store.stored("a")]


def test_no_changed_bit_of_links_is_read_as_another_value(tmp_path: Path) -> None:
    linked(tmp_path)
    found = results_of_flips([tmp_path / "meta.sqlite"], FLIPS, lambda: shown(tmp_path))
    assert set(found) == {"refused", "same"}, found
    assert found["refused"] > FLIPS / 10  # most pages hold little or nothing


@pytest.mark.parametrize("table", ["hides", "repeats"])
@pytest.mark.parametrize("change", ["batch_id = 'a'", "other = other || 'b'", "body = substr(body, 1, 9)", "crc = 7"])
def test_links_that_were_changed_are_refused(tmp_path: Path, table: str, change: str) -> None:
    store = linked(tmp_path)
    with closing(sqlite3.connect(tmp_path / "meta.sqlite")) as db, db:
        db.execute(f"UPDATE {table} SET {change} WHERE other = 'a'")
    with pytest.raises(StoreError, match=rf"meta\.sqlite is damaged.* {table} "):
        _ = store.lake(), store.stored("a"), store.stored("b")


def test_hidden_shots_do_not_return_when_their_links_are_gone(tmp_path: Path) -> None:
    store = linked(tmp_path)
    with closing(sqlite3.connect(tmp_path / "meta.sqlite")) as db, db:
        db.execute("DELETE FROM hides WHERE other = 'a'")
    for read in (store.lake, lambda: store.find_shots(ShotQuery(), 5)):
        with pytest.raises(StoreError, match="links of some batches are missing or damaged; restore the store"):
            read()


def test_a_changed_bit_under_another_name_is_refused_too(tmp_path: Path) -> None:
    """The checksum is in the file, not in its name; other programs read the file as any Parquet file."""
    filled(tmp_path)
    (file,) = (tmp_path / "lake").glob("*.parquet")
    assert pq.read_table(file).num_rows == 2
    whole = file.read_bytes()
    file.write_bytes(whole[:40] + bytes((whole[40] ^ 1,)) + whole[41:])
    with pytest.raises(StoreError, match=f"can't read {file}: its checksum differs; restore it from a backup"):
        FileStore(tmp_path).lake()


def test_a_row_that_was_changed_is_refused_and_the_rest_goes_on(tmp_path: Path) -> None:
    store = filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / "meta.sqlite")) as db, db:
        db.execute("UPDATE parts SET rows = rows + 1")
    with pytest.raises(StoreError, match=r"meta\.sqlite is damaged: a row of parts was changed; restore it"):
        store.warehouse_parts()
    assert len(store.manifests()) == 1


def test_a_file_without_its_second_half_is_refused_when_the_store_is_opened(tmp_path: Path) -> None:
    filled(tmp_path)
    file = tmp_path / "meta.sqlite"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(StoreError, match=r"can't open the store .*malformed|damaged"):
        FileStore(tmp_path)


def test_a_meta_file_that_is_gone_is_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    store = filled(tmp_path)
    (tmp_path / "meta.sqlite").rename(tmp_path / "away")
    with pytest.raises(StoreError, match="unable to open"):
        store.manifests()
    assert not (tmp_path / "meta.sqlite").exists()


def test_a_store_that_is_opened_without_its_meta_file_is_no_new_one(tmp_path: Path) -> None:
    store = filled(tmp_path)
    (tmp_path / "meta.sqlite").rename(tmp_path / "away")
    with pytest.raises(StoreError, match=r"meta\.sqlite is gone, although files of shots lie beside it; restore it"):
        FileStore(tmp_path)
    assert not (tmp_path / "meta.sqlite").exists()
    (tmp_path / "away").rename(tmp_path / "meta.sqlite")
    assert FileStore(tmp_path).manifests() == store.manifests()


def test_an_error_in_clearing_up_does_not_hide_why_a_file_was_not_written(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    (tmp_path / "lake").rmdir()
    (tmp_path / "lake").write_text("in the way")
    with pytest.raises(StoreError, match=r"can't write .*/lake/b-.*: .* Not a directory"):
        store.commit_batch(manifest(), shots_of("b"), [])


def without_links(folder: Path) -> None:
    """Turn a store into one of the format before links."""
    with closing(sqlite3.connect(folder / "meta.sqlite")) as db, db:
        db.execute("DROP TABLE hides")
        db.execute("DROP TABLE repeats")
        db.execute("UPDATE meta SET value = '3', crc = ? WHERE key = 'format'", (crc_of("format", "3"),))


def without_checksums(folder: Path) -> None:
    """Turn a store into one of the format before checksums."""
    without_links(folder)
    with closing(sqlite3.connect(folder / "meta.sqlite")) as db, db:
        for table in meta_file.KEYS.keys() - {"hides", "repeats"}:
            if table not in meta_file.WITHOUT_BODY:
                db.execute(f"UPDATE {table} SET body = substr(body, 6)")
            db.execute(f"ALTER TABLE {table} DROP COLUMN crc")
        db.execute("UPDATE meta SET value = '2' WHERE key = 'format'")
    for file in folder.rglob("*.parquet"):
        pq.write_table(pq.read_table(file), file)


def test_a_store_without_checksums_is_upgraded_when_it_is_opened(tmp_path: Path) -> None:
    filled(tmp_path)
    before = everything(tmp_path)
    without_checksums(tmp_path)
    old = {file.name for file in tmp_path.rglob("*.parquet")}
    assert all(
        one.equals(other) if isinstance(one, pa.Table) else one == other
        for one, other in zip(everything(tmp_path), before, strict=True)
    )
    new = {file.name for file in tmp_path.rglob("*.parquet")}
    assert len(new) == len(old)
    assert not new & old
    found = results_of_flips((tmp_path / "lake").glob("*.parquet"), 10, lambda: everything(tmp_path))
    assert found == {"refused": 10}


def test_a_store_without_links_is_upgraded_when_it_is_opened(tmp_path: Path) -> None:
    filled(tmp_path)
    before = everything(tmp_path)
    without_links(tmp_path)
    assert equal(everything(tmp_path), before)
    commit(FileStore(tmp_path), "later", make_shots(DAYS, 2, 1), Links(repeats={"b": [(1, 3)]}))
    assert FileStore(tmp_path).stored("later")[1] == Links(repeats={"b": [(1, 3)]})
