"""A store copied into one of the other kind and back is the same; an interrupted copy can be resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from parivision_assets.commands import copy_store
from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.steps.features.folding import update_warehouse
from parivision_assets.steps.feed.ingesting import ingest
from parivision_core.nba.shots import NBA
from parivision_core.problems import StoreError
from parivision_core.store import open_files, open_mongo
from parivision_core.store.base import Store
from parivision_core.store.copying import copy, count
from tests.helpers import shots
from tests.helpers.batches import verdict
from tests.helpers.histories import written
from tests.helpers.stores import named, same_content

Documents = Database[dict[str, Any]]


@pytest.fixture
def full(tmp_path: Path) -> Store:
    """An embedded store with two seasons, quarantine, duplicates, warehouse, feature states and verdicts."""
    store, inbox = open_files(tmp_path / "home", NBA), tmp_path / "inbox"
    older, newer = shots.season(games=8, start="2021-11-01"), shots.season(games=8)
    newer.loc[5, "PLAYER_ID"] = "no number"
    shots.write(older, inbox / "a.csv")
    shots.write(newer, inbox / "b.csv")
    shots.write(older.iloc[:100], inbox / "c.csv")  # duplicates alone
    for batch in InboxFeed(inbox, 0).batches():
        ingest(batch, NBA, store)
    update_warehouse(store, NBA)
    for candidate in (1, 2):
        store.put_verdict(verdict(candidate))
    assert len(store.warehouse_parts()) == 2
    return store


def test_a_copy_of_a_copy_is_the_same(full: Store, mongo_database: Documents, tmp_path: Path) -> None:
    there, back = open_mongo(mongo_database, NBA), open_files(tmp_path / "back", NBA)
    lines: list[str] = []
    assert copy(full, there, lines.append) == count(full)
    assert any("batch 3 of 3: 0 shots of c-" in line for line in lines)
    assert any("part 1 of 2: 480 feature rows of 2022" in line for line in lines)
    same_content(full, there)
    copy(there, back)
    same_content(full, back)
    assert update_warehouse(back, NBA).parts == []  # up to date, feature states and all
    lines.clear()
    copy(full, there, lines.append)  # again: nothing is written twice
    assert sum("(there already)" in line for line in lines) == 3
    same_content(full, there)


def test_hidden_shots_and_links_are_copied(mongo_database: Documents, tmp_path: Path) -> None:
    here, there, back = open_files(tmp_path, NBA), open_mongo(mongo_database, NBA), open_files(tmp_path / "back", NBA)
    written(here)
    counts = copy(here, there)
    assert (counts.shots, counts.hidden_shots) == (14, 5)
    assert copy(there, back) == counts
    same_content(here, there)
    same_content(here, back)
    mongo_database["links"].delete_many({})
    with pytest.raises(StoreError, match="links of some batches are missing"):
        copy(here, there)


@pytest.mark.parametrize("method", ["commit_batch", "put_verdict", "publish_warehouse"])
@pytest.mark.parametrize("at", [1, 2])
def test_an_interrupted_copy_is_resumed(
    method: str, at: int, full: Store, mongo_database: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = open_mongo(mongo_database, NBA)
    calls, original = iter(range(1, 100)), getattr(there, method)

    def interrupted(*arguments: Any) -> None:
        if next(calls) == at:
            raise KeyboardInterrupt
        original(*arguments)

    with monkeypatch.context() as m:
        m.setattr(there, method, interrupted)
        with pytest.raises(KeyboardInterrupt):
            copy(full, there)
    copy(full, there)
    same_content(full, there)


def test_a_target_with_other_content_is_left_alone(full: Store, tmp_path: Path) -> None:
    other = open_files(tmp_path / "other", NBA)
    shots.write(shots.season(games=1, seed=9), tmp_path / "elsewhere" / "x.csv")
    (batch,) = InboxFeed(tmp_path / "elsewhere", 0).batches()
    ingest(batch, NBA, other)
    before = count(other)
    with pytest.raises(StoreError, match=r"the target holds the batch x-.*; copy into an empty store"):
        copy(full, other)
    assert count(other) == before
    ledger = open_files(tmp_path / "ledger", NBA)
    ledger.put_verdict(verdict(7))
    with pytest.raises(StoreError, match="holds verdicts that the source doesn't"):
        copy(full, ledger)


def test_missing_shots_are_reported(full: Store, mongo_database: Documents, tmp_path: Path) -> None:
    there = open_mongo(mongo_database, NBA)
    copy(full, there)
    mongo_database[NBA.lake].delete_many({"game_date": "2021-11-01"})
    with pytest.raises(StoreError, match=r"the copy isn't complete: 959 shots here, .* there"):
        copy(full, there)
    with pytest.raises(StoreError, match="should have 480 shots and has"):
        copy(there, open_files(tmp_path / "new", NBA))


def test_the_command_copies_between_named_stores(
    full: Store,
    mongo_server: str,
    mongo_database: Documents,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = named(mongo_server, mongo_database.name)
    monkeypatch.setenv("PARIVISION_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PARIVISION_MONGO_URL", raising=False)
    assert copy_store.main(["files", "mongo"]) == 1
    assert "set PARIVISION_MONGO_URL" in capsys.readouterr().err
    monkeypatch.setenv("PARIVISION_MONGO_URL", url)
    assert copy_store.main(["files", "mongo"]) == 0
    total = (
        "Both hold 3 batches, 959 shots, 0 hidden shots, 1 quarantined, 959 feature rows, 3 feature states, 2 verdicts"
    )
    assert total in capsys.readouterr().out
    assert copy_store.main([url, str(tmp_path / "back")]) == 0
    same_content(full, open_files(tmp_path / "back", NBA))
    for one, other in (("files", "files"), ("files", str(tmp_path / "home")), (url, "mongo")):
        assert copy_store.main([one, other]) == 1
        assert f"{one} and {other} are the same store" in capsys.readouterr().err
    monkeypatch.setenv("PARIVISION_MONGO_URL", "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200")
    assert copy_store.main(["files", "mongo"]) == 1
    error = capsys.readouterr().err
    assert "MongoDB can't be reached" in error
    assert "run the same command again to continue" in error
