"""Identity and commit: a shot is one shot in any file, all rows are accounted for, no batch is half committed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from parivision_assets.feeds.base import Batch
from parivision_assets.feeds.csv_text import read_csv
from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.steps.features.folding import update_warehouse
from parivision_assets.steps.feed.ingesting import fault_in_words, ingest, waiting
from parivision_core.nba.shots import NBA
from parivision_core.problems import BatchError, LockLostError, StoreError
from parivision_core.records import Manifest
from parivision_core.store import open_mongo
from parivision_core.store.files import FileStore
from tests.helpers import shots
from tests.helpers.scripted_server import ScriptedServer

Put = Callable[..., list[Manifest]]
ENVELOPE = {"batch_id", "row", "ingested_at", "raw", "event_id"}


def content(store: FileStore) -> pd.DataFrame:
    """The lake without its envelope, by id."""
    frame = store.lake().to_pandas()
    return frame[[c for c in frame if c not in ENVELOPE]].sort_values("_id", ignore_index=True)


def batch_of(text: str, name: str = "made-up") -> Batch:
    return Batch(name, f"fingerprint of {hash(text)}", "test", name, lambda: read_csv(name, text.encode()))


def with_twins(frame: pd.DataFrame) -> pd.DataFrame:
    """Add shots that share date, game, player, period and clock with another, and exact repeats."""
    twins = frame.iloc[::50].copy()
    twins["LOC_X"], twins["LOC_Y"], twins["SHOT_DISTANCE"], twins["ZONE_NAME"] = "0.0", "9.25", "4", "Center"
    twins["SHOT_TYPE"] = "2PT Field Goal"
    return pd.concat([frame, twins, frame.iloc[::70]], ignore_index=True)


def test_rows_are_conserved_and_the_document_is_kept(store: FileStore, put: Put) -> None:
    frame = with_twins(shots.season(games=10))
    frame.loc[7, "PLAYER_ID"] = "unknown"
    (manifest,) = put(store, frame)
    repeats = int(frame.duplicated().sum())
    assert repeats > 0
    assert (manifest.rows, manifest.duplicates, manifest.quarantined) == (len(frame), repeats, 1)
    assert manifest.inserted == len(frame) - repeats - 1 == store.lake().num_rows
    (bad,) = store.quarantine()
    assert bad.row == 8
    assert "PLAYER_ID='unknown' is not a number" in bad.reason
    assert '"LOC_X"' in bad.raw
    row = store.lake().to_pylist()[0]
    assert row["batch_id"] == manifest.batch_id
    assert '"GAME_DATE"' in row["raw"]


def test_order_cuts_and_repetition_change_nothing(tmp_path: Path, put: Put) -> None:
    """One file, five cut between games in any order, and twice over: equal ids, content, counts and features."""
    frame = with_twins(shots.season(games=40)).sort_values("GAME_ID", kind="stable", ignore_index=True)
    whole = FileStore(tmp_path / "whole", NBA.lake, NBA.warehouse)
    put(whole, frame)
    games = np.array_split(np.unique(frame["GAME_ID"]), 5)
    pieces = [frame[frame["GAME_ID"].isin(g)].sample(frac=1, random_state=i) for i, g in enumerate(games)]
    cut = FileStore(tmp_path / "cut", NBA.lake, NBA.warehouse)
    put(cut, *(pieces[i] for i in (3, 0, 4, 2, 1)))
    again = put(cut, frame.iloc[::-1])
    pd.testing.assert_frame_equal(content(whole), content(cut))
    assert again[0].inserted == 0
    assert again[0].duplicates == len(frame)
    features = []
    for lake in (whole, cut):
        update_warehouse(lake, NBA)
        features.append(lake.warehouse().to_pandas().sort_values("_id", ignore_index=True))
    pd.testing.assert_frame_equal(*features, check_exact=False, atol=1e-9, rtol=0)


def test_folding_batch_by_batch_equals_folding_at_once(tmp_path: Path, put: Put) -> None:
    """Late batches and seasons in the wrong order are folded again from their part on."""
    seasons = [shots.season(games=12, start=f"{year}-10-20", seed=year) for year in (2020, 2021, 2022)]
    late = shots.season(games=8, start="2021-12-24", seed=9)
    step = FileStore(tmp_path / "step", NBA.lake, NBA.warehouse)
    for frame in (seasons[1], seasons[2], late, seasons[0]):
        put(step, frame)
        update_warehouse(step, NBA)
    once = FileStore(tmp_path / "once", NBA.lake, NBA.warehouse)
    put(once, late, *seasons)
    folded = update_warehouse(once, NBA)
    assert folded.parts == ["2021", "2022", "2023"]
    one, other = (s.warehouse().to_pandas().sort_values("_id", ignore_index=True) for s in (step, once))
    pd.testing.assert_frame_equal(one, other, check_exact=False, atol=1e-6, rtol=0)
    assert step.get_feature_state().through == once.get_feature_state().through  # type: ignore[union-attr]


def test_a_late_batch_refolds_from_its_own_season_on(store: FileStore, put: Put) -> None:
    for year in (2020, 2021, 2022):
        put(store, shots.season(games=8, start=f"{year}-10-20", seed=year))
    assert update_warehouse(store, NBA).parts == ["2021", "2022", "2023"]
    assert update_warehouse(store, NBA).parts == []
    put(store, shots.season(games=4, start="2021-12-24", seed=9))
    assert update_warehouse(store, NBA).parts == ["2022", "2023"]


def test_a_damaged_part_is_folded_again_from_the_lake(store: FileStore, put: Put) -> None:
    put(store, shots.season(games=8, start="2021-10-20", seed=1))
    update_warehouse(store, NBA)
    (file,) = (store.folder / NBA.warehouse).glob("*.parquet")
    file.write_bytes(file.read_bytes()[:1000])
    put(store, shots.season(games=4, start="2021-12-24", seed=9))
    assert update_warehouse(store, NBA).state.rows == store.warehouse().num_rows == 12 * 60


@pytest.mark.parametrize("what", ["parts", "current", "after-2023"])
def test_what_was_folded_and_is_damaged_is_folded_again_without_new_batches(
    store: FileStore, put: Put, what: str
) -> None:
    frame = pd.concat([shots.season(games=4, seed=s, start=f"202{s}-11-01") for s in (1, 2, 3)], ignore_index=True)
    put(store, frame)
    before = update_warehouse(store, NBA)
    features, states = store.warehouse(), {name: store.get_feature_state(name) for name in store.feature_state_names()}
    if what == "parts":
        for file in sorted((store.folder / NBA.warehouse).glob("2023*")):
            file.write_bytes(file.read_bytes()[:-9])
        with pytest.raises(StoreError, match="materialize the features again"):
            store.warehouse()
    else:
        with closing(sqlite3.connect(store.folder / "meta.sqlite")) as db, db:
            db.execute("UPDATE feature_states SET body = substr(body, 1, 99) WHERE name IN (?, 'current')", (what,))
        with pytest.raises(StoreError, match="a FeatureStateRecord in feature_states can't be read"):
            store.get_feature_state(what)
    again = update_warehouse(store, NBA)
    assert (again.state, again.feature_state) == (before.state, before.feature_state)
    assert store.warehouse().equals(features)
    assert {name: store.get_feature_state(name) for name in states} == states
    assert update_warehouse(store, NBA).parts == []


def test_an_empty_lake_folds_into_nothing(store: FileStore) -> None:
    assert update_warehouse(store, NBA).feature_state is None


def test_both_layouts_are_one_shot(store: FileStore, put: Put) -> None:
    frame = with_twins(shots.season(games=10)).drop_duplicates(ignore_index=True)
    put(store, frame)
    (second,) = put(store, shots.as_kaggle(frame))
    assert (second.inserted, second.duplicates) == (0, len(frame))


def test_event_ids_decide_when_both_carry_them(store: FileStore, put: Put) -> None:
    """Equal in all but the event id: two shots. Equal event id with another outcome: a revision of the one."""
    frame = shots.as_kaggle(shots.season(games=2))
    put(store, frame)
    before = content(store)
    corrected = frame.copy()
    corrected["Shot Made Flag"] = (1 - corrected["Shot Made Flag"].astype(int)).astype(str)
    (revision,) = put(store, corrected)
    assert (revision.inserted, revision.revised, revision.hidden) == (len(frame),) * 3
    pd.testing.assert_frame_equal(content(store), before.assign(made=1 - before["made"]))
    other = corrected.copy()
    other["Game Event ID"] = (other["Game Event ID"].astype(int) + 1000).astype(str)
    assert put(store, other)[0].added == len(frame)
    assert store.lake(["_id"])["_id"].combine_chunks().unique().__len__() == 2 * len(frame)


def test_a_batch_offered_twice_is_ingested_once(store: FileStore, tmp_path: Path) -> None:
    path = shots.write(shots.season(games=4), tmp_path / "in" / "a.csv")
    feed = InboxFeed(path.parent, 0)
    (batch,) = waiting(feed.batches(), store)
    first = ingest(batch, NBA, store)
    assert ingest(batch, NBA, store) == first
    path.rename(path.with_name("another name.csv"))
    assert waiting(feed.batches(), store) == []


def test_the_same_content_under_two_names_waits_once(store: FileStore, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        shots.write(shots.season(games=1), tmp_path / "in" / name)
    assert len(waiting(InboxFeed(tmp_path / "in", 0).batches(), store)) == 1


def test_a_fault_names_its_file_once_and_the_type_of_an_unexpected_error() -> None:
    assert fault_in_words(BatchError("a.csv is empty"), "a.csv") == "a.csv is empty"
    assert fault_in_words(BatchError("no shots"), "http://feed/batches/7") == "http://feed/batches/7: no shots"
    assert fault_in_words(KeyError("x"), "a.csv") == "a.csv: KeyError: 'x'"


def test_a_failed_batch_is_offered_again_until_it_is_fixed(store: FileStore, tmp_path: Path) -> None:
    path = shots.write(shots.season(games=4), tmp_path / "in" / "a.csv")
    whole = path.read_text()
    path.write_text(whole.replace("LOC_X", "LOCATION"))
    feed = InboxFeed(path.parent, 0)
    for _ in range(2):
        (batch,) = waiting(feed.batches(), store)
        with pytest.raises(BatchError, match="lacks the columns LOC_X"):
            ingest(batch, NBA, store)
    (failure,) = store.failures()
    assert failure.attempts == 2
    assert failure.error.startswith("a.csv: looks like the season layout but lacks the columns LOC_X")
    assert store.manifests() == []
    assert store.lake().num_rows == 0
    path.write_text(whole)
    (batch,) = waiting(feed.batches(), store)
    assert ingest(batch, NBA, store).inserted == 240


def test_a_failed_attempt_is_counted_in_the_manifest(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = batch_of(shots.season(games=1).to_csv(index=False))

    def full(*_: Any) -> None:
        raise StoreError("can't write: no space left on device")

    with monkeypatch.context() as m:
        m.setattr(FileStore, "commit_batch", full)
        with pytest.raises(StoreError):
            ingest(batch, NBA, store)
    assert store.manifests() == []
    assert ingest(batch, NBA, store).attempt == 2
    assert store.failures() == []


def test_a_truncated_file_loses_nothing(store: FileStore, put: Put, tmp_path: Path) -> None:
    """Half a file is ingested up to the row where it is cut; when the whole arrives, only the rest is new."""
    frame = shots.season(games=4)
    text = frame.to_csv(index=False)
    half = ingest(batch_of(text[: len(text) // 2], "half"), NBA, store)
    assert half.quarantined == 1
    assert "fields, the header" in store.quarantine()[0].reason
    whole = ingest(batch_of(text, "whole"), NBA, store)
    assert half.inserted + whole.inserted == len(frame) == store.lake().num_rows
    assert whole.duplicates == half.inserted


def test_a_batch_of_which_a_row_went_missing_is_refused_with_both_numbers(store: FileStore) -> None:
    frame = with_twins(shots.season(games=2))
    frame.loc[7, "PLAYER_ID"] = "unknown"
    text = frame.to_csv(index=False)
    batch = batch_of(text)
    lost = replace(batch, read=lambda: replace(read_csv("x.csv", text.encode()), counted=len(frame) + 1))
    with pytest.raises(BatchError, match=rf"{len(frame) + 1} rows were counted, but {len(frame)} read .*1 for quarant"):
        ingest(lost, NBA, store)
    assert store.manifests() == store.quarantine() == []
    assert store.lake().num_rows == 0
    assert store.failures()[0].rejected_by
    sound = replace(batch, read=lambda: replace(read_csv("x.csv", text.encode()), counted=len(frame)))
    assert ingest(sound, NBA, store).counted == len(frame)


def test_a_header_alone_is_refused(store: FileStore) -> None:
    text = shots.season(games=1).head(0).to_csv(index=False)
    with pytest.raises(BatchError, match="header but no shots"):
        ingest(batch_of(text), NBA, store)


def test_a_batch_of_bad_rows_alone_is_kept_in_quarantine(store: FileStore) -> None:
    frame = shots.season(games=1, shots=5)
    frame["PLAYER_ID"] = ""
    manifest = ingest(batch_of(frame.to_csv(index=False)), NBA, store)
    assert (manifest.inserted, manifest.quarantined) == (0, 5)
    assert {q.reason for q in store.quarantine()} == {"PLAYER_ID is missing"}


def test_a_file_that_is_misread_as_a_whole_is_offered_again(store: FileStore) -> None:
    """If all its rows were committed to quarantine, even a fixed reader would never get it again."""
    frame = shots.season(games=1)
    frame["GAME_DATE"] = "18.10.2022"
    with pytest.raises(BatchError, match=r"60 of 60 rows break the contract.*is not a date like"):
        ingest(batch_of(frame.to_csv(index=False)), NBA, store)
    assert store.manifests() == []
    assert store.failures()[0].attempts == 1


def test_a_file_without_a_readable_row_is_refused_with_the_first_rows_fault(store: FileStore) -> None:
    header = shots.season(games=1).head(0).to_csv(index=False)
    with pytest.raises(BatchError, match=r"none of the 1 rows can be read.*quote is opened"):
        ingest(batch_of(header + '"1,2\n'), NBA, store)


def test_one_shot_alone_and_then_its_season_are_one_shot(store: FileStore, put: Put) -> None:
    frame = shots.season(games=4)
    rim = frame[frame["SHOT_DISTANCE"] == "0"].head(1)
    put(store, rim)
    (season,) = put(store, frame)
    assert season.duplicates == 1
    assert store.lake().num_rows == len(frame)


def test_one_event_is_one_shot_however_its_records_differ(store: FileStore, put: Put) -> None:
    """Of two records in one batch, one is kept; that of a later batch takes its place."""
    frame = shots.as_kaggle(shots.season(games=2))
    flipped = frame.head(5).assign(**{"Shot Made Flag": (1 - frame["Shot Made Flag"].head(5).astype(int)).astype(str)})
    (both,) = put(store, pd.concat([flipped, frame], ignore_index=True))
    assert (both.inserted, both.duplicates) == (len(frame), 5)
    (corrected,) = put(store, frame.assign(**{"Action Type": "Dunk Shot"}))
    assert (corrected.revised, corrected.added) == (corrected.inserted, 0)
    lake = store.lake(["_id", "action"])
    assert lake["_id"].to_pylist() == [name for name in lake["_id"].to_pylist() if name.endswith(":0")]
    assert set(lake["action"].to_pylist()) == {"Dunk Shot"}
    assert lake.num_rows == len(frame)


def test_a_file_of_lines_that_are_no_documents_is_offered_again(store: FileStore, tmp_path: Path) -> None:
    """A list written with one object a line: each ends in a comma, so none of them but the last is JSON."""
    frame = shots.season(games=1)
    lines = [json.dumps(row) for row in frame.to_dict("records")]
    path = tmp_path / "inbox" / "shots.jsonl"
    path.parent.mkdir()
    path.write_text(",\n".join(lines) + "\n")
    (batch,) = InboxFeed(path.parent, 0).batches()
    with pytest.raises(BatchError, match="59 of 60 rows break the contract"):
        ingest(batch, NBA, store)
    assert store.manifests() == []


def test_an_ingest_that_lost_the_lock_is_repeated_and_finds_duplicates(
    mongo_server: str, mongo_database: Database[dict[str, Any]], tmp_path: Path
) -> None:
    """It was suspended half done, while another process took the lock and stored some of the same shots."""
    frame = shots.season(games=2)
    all_rows, some_rows = tmp_path / "all_rows", tmp_path / "some_rows"
    shots.write(frame, all_rows / "all.csv")
    shots.write(frame.iloc[:80], some_rows / "some.csv")
    (batch,), (other,) = InboxFeed(all_rows, 0).batches(), InboxFeed(some_rows, 0).batches()
    real, there = urlsplit(mongo_server), open_mongo(mongo_database, NBA)

    def overtaken(command: Any) -> Any:
        mongo_database["locks"].delete_many({})
        ingest(other, NBA, there)
        return command.forward()

    with ScriptedServer((real.hostname or "127.0.0.1", real.port or 27017)) as between:
        url = mongo_server.replace(f":{real.port}", f":{between.port}")
        with MongoClient[dict[str, Any]](url, directConnection=True) as client:
            here = open_mongo(client[mongo_database.name], NBA)
            between.fault("insert", reply=overtaken, where=lambda c: c.document["insert"] == NBA.lake, times=1)
            with pytest.raises(LockLostError):
                ingest(batch, NBA, here)
            assert there.lake(["_id"]).num_rows == 80
            (offered,) = waiting([batch], here)
            manifest = ingest(offered, NBA, here)
    assert (manifest.inserted, manifest.duplicates, manifest.attempt) == (40, 80, 2)
    assert there.lake(["_id"]).num_rows == 120
    assert there.failures() == []
