"""Withdrawals: what is withdrawn with a batch, what comes back, what can't be withdrawn, and what people read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import msgspec
import pytest

from parivision_assets.commands import withdraw as command
from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.orchestration.partitions import batches_of
from parivision_assets.reporting import batch_summary
from parivision_assets.steps.features.folding import update_warehouse
from parivision_assets.steps.feed.ingesting import ingest, waiting
from parivision_assets.steps.feed.replaying import corrected, shots_to_correct, to_correct, unresolved
from parivision_assets.steps.feed.withdrawing import withdraw
from parivision_core.nba.shots import NBA
from parivision_core.problems import BatchError
from parivision_core.records import Manifest, withdrawn
from parivision_core.store.base import Store
from parivision_core.store.files import FileStore
from tests.helpers import shots
from tests.helpers.stores import Place, opened

Put = Callable[..., list[Manifest]]


def ids(store: Store) -> list[str]:
    table = store.lake(["_id"])
    return sorted(table["_id"].to_pylist()) if table.num_rows else []


def test_a_withdrawn_batch_is_gone_and_comes_back_by_withdrawing_the_withdrawal(place: Place, tmp_path: Path) -> None:
    store = opened(place)
    shots.write(shots.season(games=1), tmp_path / "in" / "a.csv")
    (batch,) = InboxFeed(tmp_path / "in", 0).batches()
    manifest = ingest(batch, NBA, store)
    before, announced = store.lake(), list[str]()
    taken = withdraw(batch.id, NBA, store, announced.append)
    assert announced == [taken.batch_id]
    assert taken.batch_id.startswith(f"withdrawal-of-{batch.id}-")
    assert (taken.withdraws, taken.inserted, taken.hidden, taken.added) == ((batch.id,), 0, 60, -60)
    assert taken.changed == manifest.changed
    assert ids(store) == []
    # Its content is known: it doesn't come back by itself.
    assert waiting([batch], store) == []
    assert ingest(batch, NBA, store) == manifest
    with pytest.raises(
        BatchError, match=f"is withdrawn already; `make withdraw BATCH={taken.batch_id}` brings it back"
    ):
        withdraw(batch.id, NBA, store)
    back = withdraw(taken.batch_id, NBA, store)
    assert (back.inserted, back.hidden) == (60, 0)
    assert store.lake().sort_by("_id").equals(before.sort_by("_id"))
    assert withdrawn(store.manifests()) == {taken.batch_id: back.batch_id}
    assert withdraw(batch.id, NBA, store).batch_id != taken.batch_id


def test_what_a_later_batch_repeated_stands_in_its_name(store: FileStore, put: Put) -> None:
    frame = shots.season(games=2)
    (first,) = put(store, frame)
    (second,) = put(store, frame.iloc[::-1].iloc[:70])
    before = store.lake(["_id", "raw"], days={"2022-10-18"}).sort_by("_id").to_pylist()
    taken = withdraw(first.batch_id, NBA, store)
    assert (second.inserted, taken.inserted, taken.hidden) == (0, 70, 120)
    left = store.lake(batch=taken.batch_id).sort_by("_id").to_pylist()
    assert {shot["batch_id"] for shot in left} == {second.batch_id}
    assert len({shot["row"] for shot in left}) == 70
    assert [shot["_id"] for shot in left] == ids(store)
    assert all({"_id": shot["_id"], "raw": shot["raw"]} in before for shot in left)


def test_a_correction_goes_and_comes_with_the_batch_that_it_corrects(store: FileStore, tmp_path: Path) -> None:
    frame = shots.season(games=1)
    frame.loc[5, "PLAYER_ID"] = "unknown"
    shots.write(frame, tmp_path / "in" / "a.csv")
    (batch,) = InboxFeed(tmp_path / "in", 0).batches()
    ingest(batch, NBA, store)
    lines = [json.loads(line) for line in (*to_correct(unresolved(store)), *shots_to_correct([min(ids(store))], store))]
    for line in lines:
        line["document"]["PLAYER_ID"] = "299999"
    content = "\n".join(map(json.dumps, lines)).encode()
    batches, _ = corrected("c.jsonl", content, store)
    resolving, correcting = (ingest(one, NBA, store) for one in batches)
    assert (resolving.added, correcting.added) == (1, 0)
    after = ids(store)
    taken = withdraw(batch.id, NBA, store)
    assert set(taken.withdraws) == {batch.id, resolving.batch_id, correcting.batch_id}
    assert (ids(store), unresolved(store)) == ([], [])  # a withdrawn batch's rows don't wait any more
    withdraw(taken.batch_id, NBA, store)
    assert ids(store) == after
    # The correction alone: the record before stands again, and the row waits in quarantine.
    withdraw(resolving.batch_id, NBA, store)
    assert len(unresolved(store)) == 1
    alone = withdraw(correcting.batch_id, NBA, store)
    assert (alone.inserted, alone.hidden) == (1, 1)
    with pytest.raises(BatchError, match="these corrections were withdrawn; `make withdraw BATCH=withdrawal-of-replay"):
        corrected("c.jsonl", content, store)


def test_a_batch_that_stored_nothing_is_withdrawn_too(store: FileStore, put: Put) -> None:
    frame = shots.season(games=1, shots=5)
    (empty,) = put(store, frame.assign(PLAYER_ID=""))
    taken = withdraw(empty.batch_id, NBA, store)
    assert (taken.inserted, taken.hidden, taken.changed, unresolved(store)) == (0, 0, None, [])
    assert update_warehouse(store, NBA).parts == []


def test_what_an_older_version_did_not_keep_is_not_guessed(store: FileStore, put: Put) -> None:
    frame = shots.season(games=2)
    (first,) = put(store, frame)
    old = msgspec.structs.replace(first, batch_id="old", fingerprint="old", inserted=0, duplicates=120, kept=None)
    store.commit_batch(msgspec.structs.replace(old, first_date=None, last_date=None), store.lake().slice(0, 0), [])
    with pytest.raises(BatchError, match="an older version ingested old after it and didn't keep its 120 duplicates"):
        withdraw(first.batch_id, NBA, store)
    assert len(ids(store)) == 120
    (later,) = put(store, shots.season(games=1, start="2023-01-05", seed=4))
    assert withdraw(later.batch_id, NBA, store).hidden == 60
    with pytest.raises(BatchError, match="there is no batch absent"):
        withdraw("absent", NBA, store)


def test_folding_begins_where_shots_changed(store: FileStore, put: Put) -> None:
    seasons = [shots.as_kaggle(shots.season(games=2, start=f"{year}-10-20", seed=year)) for year in (2020, 2021, 2022)]
    for frame in seasons:
        put(store, frame)
    update_warehouse(store, NBA)
    (revision,) = put(store, seasons[1].iloc[:1].assign(**{"Action Type": "Hook Shot"}))
    assert revision.revised == 1
    assert update_warehouse(store, NBA).parts == ["2022", "2023"]
    withdraw(store.manifests()[2].batch_id, NBA, store)
    folded = update_warehouse(store, NBA)
    assert (folded.parts, folded.state.rows) == (["2023"], 240)
    assert store.warehouse_parts() == {"2021": 120, "2022": 120}
    assert folded.feature_state is not None
    assert (folded.feature_state.through, folded.feature_state.shots) == ("2021-10-20", 240)
    assert store.get_feature_state("after-2023") == store.get_feature_state("after-2022") == folded.feature_state
    assert update_warehouse(store, NBA).parts == []


def test_the_command_announces_its_partition_and_says_how_to_undo_it(
    command_store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shots.write(shots.season(games=1), tmp_path / "in" / "a.csv")
    (batch,) = InboxFeed(tmp_path / "in", 0).batches()
    manifest = ingest(batch, NBA, command_store)
    assert command.main([""]) == 1
    assert "make withdraw BATCH=ID" in capsys.readouterr().err
    assert command.main(["absent"]) == 1
    assert "there is no batch absent" in capsys.readouterr().err
    assert command.main([batch.id]) == 0
    taken = command_store.manifests()[-1]
    out = capsys.readouterr().out
    assert f"60 shots hidden, 0 shown again; withdrawn: {batch.id}" in out
    assert f"To undo it: make withdraw BATCH={taken.batch_id}" in out
    with dg.DagsterInstance.get() as instance:
        assert instance.get_dynamic_partitions(str(batches_of(NBA).name)) == [taken.batch_id]
    assert f"make withdraw BATCH={taken.batch_id}" in batch_summary(manifest, True, taken.batch_id)
