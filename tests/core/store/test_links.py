"""Which shots stand when later commits hide some: as a plain model of the rule says, in each kind of store."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database

from parivision_core.nba.shots import NBA
from parivision_core.problems import StoreError
from parivision_core.records import Links, Manifest
from parivision_core.store.base import Store
from parivision_core.store.links import Hides, packed_hides, packed_repeats
from parivision_core.store.meta_file import MetaFile
from parivision_core.store.mongo import MongoStore
from parivision_core.store.shots import ShotQuery
from tests.helpers.histories import STEPS, Model, Step, written
from tests.helpers.lake import DAYS, Shot, commit, make_shots, ordered
from tests.helpers.scripted_server import ScriptedServer
from tests.helpers.stores import Place, opened
from tests.helpers.writes import WRITES, watch_files

EXAMPLES = {"files": 15, "mongo": 3}


@pytest.fixture
def fresh(place: Place) -> Callable[[], Place]:
    """Places of empty stores, one after the other."""
    count = itertools.count()

    def another() -> Place:
        if place["kind"] == "mongo":
            with MongoClient(place["url"]) as client:
                client.drop_database(place["database"])
            return place
        return {**place, "folder": f"{place['folder']}-{next(count)}"}

    return another


def pages(store: Store, size: int) -> Iterator[Shot]:
    """All shots, page by page."""
    after = None
    while page := store.find_shots(ShotQuery(after=after), size):
        yield from page
        after = (page[-1]["game_date"], page[-1]["_id"])


def plain(store: Store, **narrowed: Any) -> list[Shot]:
    """What `lake` reads, newest first."""
    table = store.lake(["_id", "game_date", "made", "x"], **narrowed)
    return ordered(table.to_pylist())


def short(shots: list[Shot]) -> list[Shot]:
    return [{name: shot[name] for name in ("_id", "game_date", "made", "x")} for shot in shots]


def holds(store: Store, model: Model) -> None:
    """Assert that the store shows what stands, however it is read, and keeps the rest."""
    wanted = model.shots()
    assert plain(store) == short(wanted)
    assert store.find_shots(ShotQuery(), 1000) == wanted
    assert list(pages(store, 7)) == wanted
    for day in DAYS[::5]:
        assert plain(store, days=[day]) == plain(store, since=day, until=day)
        assert plain(store, days=[day]) == short([shot for shot in wanted if shot["game_date"] == day])
        assert sum(len(piece) for piece in store.scan(["x"], until=day)) == sum(s["game_date"] <= day for s in wanted)
    of_player = [shot for shot in wanted if shot["player_id"] == 2544]
    assert store.find_shots(ShotQuery(where={"player_id": (2544,)}), 2, ["_id"]) == [
        {"_id": shot["_id"]} for shot in of_player[:2]
    ]
    for n, batch in enumerate(model.batches):
        assert plain(store, batch=batch) == short(model.shots(batch))
        assert store.find_shots(ShotQuery(batch=batch), 1000) == model.shots(batch)
        table, links = store.stored(batch)
        rows = {(row.batch, row.row): row.shot["_id"] for row in model.rows if row.n == n}
        found = zip(table["batch_id"].to_pylist(), table["row"].to_pylist(), table["_id"].to_pylist(), strict=True)
        assert {(of, row): name for of, row, name in found} == rows
        assert links == model.links[batch]
        day = [row for row in model.rows if row.n == n and row.shot["game_date"] == DAYS[0]]
        assert len(store.stored(batch, days=[DAYS[0]])[0]) == len(day)
    assert len(wanted) == sum(m.inserted - m.hidden for m in store.manifests())


def test_what_stands_is_what_the_rule_says(place: Place, fresh: Callable[[], Place]) -> None:
    @settings(database=None, max_examples=EXAMPLES[place["kind"]])
    @given(steps=STEPS)
    def check(steps: list[Step]) -> None:
        here, model = fresh(), Model()
        store = opened(here)
        model.commit(store, Step(12, [], [], [], False, []))
        for step in steps:
            model.commit(store, step)
            if place["kind"] == "files":  # its files stay in memory between searches
                assert store.find_shots(ShotQuery(), 1000) == model.shots()
        holds(store, model)
        holds(opened(here), model)

    check()


@pytest.fixture
def store(place: Place) -> Store:
    """An empty store of each kind."""
    return opened(place)


def test_history_is_read_alike_from_both_kinds(store: Store) -> None:
    holds(store, written(store))


def test_without_links_none_are_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most lakes have none, and reading must cost what it did."""
    asked: list[str] = []
    records, find = MetaFile.records, Collection.find

    def recording(self: MetaFile, table: str, *rest: Any) -> Any:
        asked.append(table)
        return records(self, table, *rest)

    def finding(self: Collection[Any], *arguments: Any, **named: Any) -> Any:
        asked.append(self.name)
        return find(self, *arguments, **named)

    monkeypatch.setattr(MetaFile, "records", recording)
    monkeypatch.setattr(Collection, "find", finding)
    commit(store, "a", make_shots(DAYS, 5, 1), Links(repeats={}))
    assert store.lake(["_id"]).num_rows == len(store.find_shots(ShotQuery(), 9)) == 5
    assert "manifests" in asked
    assert not {"hides", "links"} & set(asked)
    commit(store, "b", [], Links(hides={"a": [1]}))
    assert store.lake(["_id"]).num_rows == 4
    assert {"hides", "links"} & set(asked)


def test_a_reader_that_a_commit_overtakes_sees_the_lake_before_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its list of batches is older than the links: it must not miss a shot whose revision it doesn't see."""
    model = written(store)
    before, step = model.shots(), Step(new=1, revised=[0], removed=[1], kept=[], withdrawal=False, restored=[])
    read = Hides.__init__

    def overtaken(self: Hides, commits: Any, reading: Any) -> None:
        with monkeypatch.context() as once:
            once.setattr(Hides, "__init__", read)
            model.commit(store, step)
        read(self, commits, reading)

    for look in (lambda: store.find_shots(ShotQuery(), 1000), lambda: plain(store)):
        with monkeypatch.context() as patched:
            patched.setattr(Hides, "__init__", overtaken)
            assert short(look()) == short(before)
        before = model.shots()
        assert short(look()) == short(before)


@pytest.mark.parametrize(
    ("linked", "changes", "shots", "why"),
    [
        (Links(hides={"a": [1]}), {"hidden": 0}, {}, "states other numbers of hidden and kept rows than its links"),
        (Links(hides={"b": [1]}), {"kept": 0}, {}, "states other numbers of hidden and kept rows than its links"),
        (Links(hides={"a": [1, 2, 1]}), {}, {}, "hides a row of a twice"),
        (Links(hides={"c": [1]}), {}, {}, "is linked to c, which isn't a committed batch"),
        (Links(repeats={"c": [(1, 1)]}), {}, {}, "is linked to c, which isn't a committed batch"),
        (Links(), {}, {"batch_id": "a", "row": 1}, "stores rows of another batch; only a withdrawal does"),
    ],
)
def test_links_that_do_not_fit_are_refused(
    store: Store, linked: Links, changes: dict[str, int], shots: Shot, why: str
) -> None:
    a, b = make_shots(DAYS, 3, 1), make_shots(DAYS, 3, 2)
    commit(store, "a", a)
    altered = cast(Store, Changed(store, changes))
    with pytest.raises(StoreError, match=why):
        commit(altered, "b", [*b, b[0] | {"_id": "one more"} | shots], linked)
    assert store.find_shots(ShotQuery(), 9) == ordered(a)
    with pytest.raises(StoreError, match="there is no batch b"):
        store.stored("b")


class Changed:
    """A store whose manifests are changed before they are committed."""

    def __init__(self, store: Store, changes: dict[str, int]) -> None:
        self._store, self._changes = store, changes

    def commit_batch(self, manifest: Manifest, *rest: Any) -> None:
        self._store.commit_batch(msgspec.structs.replace(manifest, **self._changes), *rest)


def test_kept_shots_may_have_an_id_that_stands(store: Store) -> None:
    """A shot that repeats another one differently is kept, for the day on which that one is withdrawn."""
    a = make_shots(DAYS, 3, 1)
    commit(store, "a", a)
    commit(store, "b", [shot | {"x": 7} for shot in [*a, a[0]]], Links(hides={"b": [1, 2, 3, 4]}))
    assert store.find_shots(ShotQuery(), 9) == ordered(a)
    assert sorted(store.stored("b")[0]["_id"].to_pylist()) == sorted(shot["_id"] for shot in [*a, a[0]])


def test_a_season_of_repeats_takes_little_room() -> None:
    packed = packed_repeats(Links(repeats={"a": [(row, row + 3) for row in range(1, 200_000)]}))
    assert len(packed["a"].there) + len(packed["a"].here) < 10_000


def dies_at(write: int, work: Callable[[], Any]) -> bool:
    """Do some work in a process of its own that is killed before its n-th write; whether it came to that."""
    child = os.fork()
    if child == 0:
        writes = itertools.count()

        def count() -> None:
            if next(writes) == write:
                os.kill(os.getpid(), signal.SIGKILL)

        watch_files(count)
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


LAST = Step(new=2, revised=[0, 1], removed=[2], kept=[3, 4], withdrawal=False, restored=[])


@pytest.mark.process
def test_a_killed_commit_hides_nothing(tmp_path: Path) -> None:
    store = opened({"kind": "files", "folder": str(tmp_path)})
    before = written(store)
    for write in itertools.count():
        if not dies_at(write, lambda: deepcopy(before).commit(store, LAST)):
            break
        holds(store, before)
    assert write >= 9  # two flushes, a renaming, a manifest, the links to two batches and itself, and so on
    after = deepcopy(before)
    after.commit(cast(Store, Discarding()), LAST)
    holds(store, after)


class Discarding:
    """In place of a store, for what another process has committed."""

    def commit_batch(self, *_: Any) -> None: ...


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
def test_a_commit_that_is_cut_off_hides_all_or_nothing(
    applied: bool, proxy: ScriptedServer, shaky_database: Database[Any], mongo_database: Database[Any]
) -> None:
    shaky = MongoStore(shaky_database, NBA.lake, NBA.warehouse)
    here = MongoStore(mongo_database, NBA.lake, NBA.warehouse)
    before = written(here)
    shaky.manifests()
    for write in itertools.count():
        after, seen = deepcopy(before), itertools.count()
        after.commit(cast(Store, Discarding()), LAST)
        # Twice, because pymongo itself repeats a write once where the server can recognise repeated writes.
        proxy.fault(
            "*", cut=True, after=applied, where=lambda c, at=write, n=seen: c.name in WRITES and next(n) == at, times=2
        )
        with suppress(StoreError):
            deepcopy(before).commit(shaky, LAST)
        proxy.clear()
        committed = len(here.manifests()) > len(before.batches)
        assert here.find_shots(ShotQuery(), 1000) == (after if committed else before).shots()
        if committed:
            break
    assert write >= 5  # a number, the open manifest, the links, the shots, again those with an id that exists
    holds(here, after)
    assert mongo_database[NBA.lake].count_documents({}) == len(after.rows)
    assert mongo_database["manifests"].count_documents({}) == len(after.batches)
    linked = [other for links in after.links.values() for other in {*links.hides, *links.repeats}]
    assert mongo_database["links"].count_documents({}) == len(linked)


def test_links_of_an_attempt_that_never_committed_hide_nothing(mongo_database: Database[Any]) -> None:
    store = MongoStore(mongo_database, NBA.lake, NBA.warehouse)
    model = written(store)
    mongo_database["meta"].update_one({"_id": "counter:batches"}, {"$inc": {"value": 1}})
    model.commit(store, LAST)
    left = {"other": "b0", "hides": {"count": 2, "there": packed_hides(Links(hides={"b0": [10, 11]}))["b0"].there}}
    mongo_database["links"].insert_one({"_id": "4:0", "_n": 4, **left})  # by a process that had lost its lock
    holds(store, model)
    model.commit(store, Step(new=1, revised=[], removed=[], kept=[], withdrawal=False, restored=[]))
    assert mongo_database["links"].find_one({"_n": 4}) is None
