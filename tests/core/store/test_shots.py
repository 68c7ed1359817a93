"""Searching the lake, in each kind of store: as sorting and filtering all of its shots would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from parivision_core.nba.shots import NBA
from parivision_core.problems import StoreError
from parivision_core.store import shots as module
from parivision_core.store.base import Store
from parivision_core.store.files import FileStore
from parivision_core.store.links import Hides
from parivision_core.store.shots import FileShots, LakeFiles, ShotQuery
from tests.helpers.lake import ALL, BATCHES, DAYS, Shot, commit, make_shots, ordered
from tests.helpers.stores import Place, opened


@pytest.fixture
def store(place: Place) -> Store:
    """A store of each kind with four batches."""
    made = opened(place)
    for batch, shots in BATCHES.items():
        commit(made, batch, shots)
    return made


def matching(query: ShotQuery, limit: int) -> list[Shot]:
    """What the store must find, by a plain filter."""
    shots = ALL if query.batch is None else ordered(BATCHES[query.batch])
    found = [
        shot
        for shot in shots
        if (query.since is None or shot["game_date"] >= query.since)
        and (query.until is None or shot["game_date"] <= query.until)
        and (query.after is None or (shot["game_date"], shot["_id"]) < query.after)
        and all(shot[name] in values for name, values in query.where.items())
    ]
    return found[:limit]


QUERIES = st.builds(
    ShotQuery,
    batch=st.one_of(st.none(), st.none(), st.sampled_from(list(BATCHES))),
    since=st.none() | st.sampled_from(["2022-12-31", *DAYS]),
    until=st.none() | st.sampled_from([*DAYS, "2024-01-01"]),
    after=st.none() | st.sampled_from([(shot["game_date"], shot["_id"]) for shot in ALL]),
    where=st.fixed_dictionaries(
        {},
        optional={
            "player_id": st.sampled_from([(201939,), (2544, 203507), (7,)]),
            "team": st.sampled_from([("GSW",), ("BKN", "NJN"), ("SEA",)]),
            "made": st.sampled_from([(0,), (1,)]),
        },
    ),
)


def test_matching_shots_are_found_newest_first(store: Store) -> None:
    @settings(database=None)
    @given(query=QUERIES, limit=st.sampled_from([1, 3, 25, 1000]))
    def check(query: ShotQuery, limit: int) -> None:
        assert store.find_shots(query, limit) == matching(query, limit)

    check()


def test_shots_hold_the_contract_unless_columns_are_chosen(store: Store) -> None:
    (shot,) = store.find_shots(ShotQuery(), 1)
    assert set(shot) == {"_id", *NBA.fields}
    assert shot == ALL[0]
    assert store.find_shots(ShotQuery(), 2, ["made", "x"]) == [{n: s[n] for n in ("made", "x")} for s in ALL[:2]]
    assert store.find_shots(ShotQuery(), 1, ["_id", "no such column"]) == [
        {"_id": ALL[0]["_id"], "no such column": None}
    ]


def test_an_unknown_batch_or_field_finds_nothing(store: Store) -> None:
    assert store.find_shots(ShotQuery(batch="none"), 5) == []
    assert store.find_shots(ShotQuery(where={"nothing": (1,)}), 5) == []
    assert store.find_shots(ShotQuery(since="2023-01-05", until="2023-01-04"), 5) == []


def test_an_empty_lake_and_a_batch_without_shots(place: Place) -> None:
    made = opened(place)
    assert made.find_shots(ShotQuery(), 5) == []
    commit(made, "empty", [])
    assert made.find_shots(ShotQuery(), 5) == made.find_shots(ShotQuery(batch="empty"), 5) == []


def test_pages_follow_each_other_while_batches_arrive(store: Store) -> None:
    seen: list[Shot] = []
    after = None
    for number in range(1000):
        if number == 3:
            commit(store, "later", make_shots(["2023-02-01"], 20, 5))
        page = store.find_shots(ShotQuery(after=after), 13)
        seen += page
        if not page:
            break
        after = (page[-1]["game_date"], page[-1]["_id"])
    assert seen == ALL
    assert len(store.find_shots(ShotQuery(), 1000)) == len(ALL) + 20


def test_only_files_that_may_hold_the_page_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = FileStore(tmp_path / "store", NBA.lake, NBA.warehouse)
    for batch, shots in BATCHES.items():
        commit(made, batch, shots)
    opened_files: list[str] = []
    read = FileShots.__init__

    def recording(self: FileShots, path: Path) -> None:
        opened_files.append(path.name.rpartition("-")[0])
        read(self, path)

    monkeypatch.setattr(module.FileShots, "__init__", recording)
    made.find_shots(ShotQuery(), 5)
    assert opened_files == ["new"]
    made.find_shots(ShotQuery(), 5)
    made.find_shots(ShotQuery(where={"player_id": (2544,)}), 3)
    assert opened_files == ["new"], "a file is read once"
    made.find_shots(ShotQuery(until=DAYS[2]), 5)
    assert opened_files == ["new", "old"]
    made.find_shots(ShotQuery(), 1000)
    assert sorted(opened_files) == sorted(BATCHES)


def test_what_is_kept_in_memory_is_bounded(tmp_path: Path) -> None:
    made = FileStore(tmp_path / "store", NBA.lake, NBA.warehouse)
    for batch, shots in BATCHES.items():
        commit(made, batch, shots)
    listed = {file: (n, manifest) for n, (_, file, manifest) in enumerate(made._manifests())}
    one = FileShots(tmp_path / "store" / NBA.lake / next(iter(listed))).nbytes
    small = LakeFiles(tmp_path / "store" / NBA.lake, 2 * one)
    for _ in range(3):
        assert small.find(listed, Hides([], list), ShotQuery(), 1000, None) == ALL
        assert len(small._kept) <= 2
        assert small._bytes == sum(kept.nbytes for kept in small._kept.values())


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    made = FileStore(tmp_path / "store", NBA.lake, NBA.warehouse)
    commit(made, "old", BATCHES["old"])
    (file,) = (tmp_path / "store" / NBA.lake).glob("*.parquet")
    whole = file.read_bytes()
    for content in (b"", b"PAR1", whole[: len(whole) // 2], whole[:-200] + b"\0" * 200):
        file.write_bytes(content)
        with pytest.raises(StoreError, match=r"can't read .*old-.*restore it from a backup"):
            made.find_shots(ShotQuery(), 1)
    file.unlink()
    with pytest.raises(StoreError, match=r"can't read .*old-"):
        made.find_shots(ShotQuery(), 1)


@pytest.mark.process
def test_no_large_library_is_loaded(tmp_path: Path) -> None:
    made = FileStore(tmp_path / "store", NBA.lake, NBA.warehouse)
    commit(made, "old", BATCHES["old"])
    code = f"""
import sys
from pathlib import Path
from parivision_core.nba.shots import NBA
from parivision_core.store.files import FileStore
from parivision_core.store.links import Hides
from parivision_core.store.shots import ShotQuery
store = FileStore(Path({str(tmp_path / "store")!r}), NBA.lake, NBA.warehouse)
assert not any(name.startswith("arro3") for name in sys.modules)
assert len(store.find_shots(ShotQuery(), 10)) == 10
print(sorted({{"pandas", "pyarrow"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
