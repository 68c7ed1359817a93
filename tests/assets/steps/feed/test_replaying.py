"""Replaying quarantined rows: written out, corrected, ingested, and known to Dagster as a partition."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from parivision_assets.commands import quarantine, replay
from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.orchestration.partitions import batches_of
from parivision_assets.steps.feed.ingesting import ingest
from parivision_assets.steps.feed.replaying import corrected, to_correct, unresolved
from parivision_core.nba.shots import NBA
from parivision_core.problems import BatchError
from parivision_core.settings import Settings
from parivision_core.store import open_store
from parivision_core.store.base import Store
from tests.helpers import shots
from tests.helpers.stores import Place, opened


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


@pytest.fixture
def stored(place: Place, tmp_path: Path) -> Store:
    """A store of either kind with a season of which four rows are in quarantine, one of them not even a document."""
    store = opened(place)
    fill(store, tmp_path / "inbox")
    return store


def fill(store: Store, inbox: Path) -> None:
    frame = shots.season(games=3)
    frame.loc[5, "PLAYER_ID"] = "unknown"
    frame.loc[9, "SHOT_MADE"] = "perhaps"
    frame.loc[11, "QUARTER"] = "99"
    path = shots.write(frame, inbox / "season.csv")
    lines = path.read_text().splitlines()
    lines[21] = lines[21].rpartition(",")[0]  # a field is missing
    path.write_text("\n".join(lines) + "\n")
    (batch,) = InboxFeed(inbox, 0).batches()
    manifest = ingest(batch, NBA, store)
    assert (manifest.inserted, manifest.quarantined) == (176, 4)


def exported(store: Store) -> list[dict[str, Any]]:
    return [json.loads(line) for line in to_correct(unresolved(store))]


def written(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


def test_corrections_enter_the_lake_and_leave_the_quarantine(
    stored: Store, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    lines = exported(stored)
    reasons = {line["row"]: line["reason"] for line in lines}
    assert set(reasons) == {6, 10, 12, 21}
    assert "fields" in reasons[21]
    for line in lines:
        document = line["document"]
        match line["row"]:
            case 6:
                document["PLAYER_ID"] = "200011"
            case 10:
                document["SHOT_MADE"] = "FALSE"
            case 12:
                document["QUARTER"] = "98"  # still wrong
            case 21:
                document["line"] += ",30"
    path = written(tmp_path / "corrections.jsonl", lines)
    (manifest,), unchanged = replay.replay(path, NBA, stored, instance)
    assert (manifest.rows, manifest.inserted, manifest.quarantined, unchanged) == (4, 3, 1, 0)
    assert manifest.counted == 4
    origin = stored.manifests()[0]
    assert sorted(manifest.resolves) == [(origin.batch_id, row) for row in (6, 10, 12, 21)]
    assert manifest.details == origin.details  # unit and orientation of the original file
    (left,) = unresolved(stored)
    assert left.batch_id == manifest.batch_id
    assert "98" in left.reason
    assert stored.lake(["_id"]).num_rows == 179
    new = {shot["row"]: shot for shot in stored.lake(batch=manifest.batch_id).to_pylist()}
    assert {shot["player_id"] for shot in new.values()} >= {200011}
    assert json.loads(new[1]["raw"])["PLAYER_ID"] == "200011"
    assert manifest.batch_id in instance.get_dynamic_partitions(str(batches_of(NBA).name))
    # The row that is still wrong is in the quarantine of the replay, and is corrected there.
    (line,) = exported(stored)
    line["document"]["QUARTER"] = "1"
    (second,), _ = replay.replay(written(tmp_path / "again.jsonl", [line]), NBA, stored, instance)
    assert (second.inserted, unresolved(stored)) == (1, [])
    assert stored.lake(["_id"]).num_rows == 180


def test_a_single_correction_keeps_the_place_of_its_shot(
    stored: Store, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """A single row under the rim could have any unit; that of the whole file is used."""
    whole = shots.season(games=3)
    (line,) = (line for line in exported(stored) if line["row"] == 6)
    line["document"]["PLAYER_ID"] = whole["PLAYER_ID"][5]
    (manifest,), _ = replay.replay(written(tmp_path / "one.jsonl", [line]), NBA, stored, instance)
    (shot,) = stored.lake(batch=manifest.batch_id).to_pylist()
    assert shot["x"] == round(-10 * float(whole["LOC_X"][5]))
    assert shot["y"] == round(10 * (float(whole["LOC_Y"][5]) - 5.25))


def test_unchanged_lines_stay_in_quarantine(stored: Store) -> None:
    lines = exported(stored)
    content = "\n".join(json.dumps(line, indent=None) for line in lines).encode()
    assert corrected("c.jsonl", content, stored) == ([], 4)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda line: {**line, "row": 7}, "row 7 of .* isn't in quarantine"),
        (lambda line: {**line, "batch": "other"}, "row 6 of other isn't in quarantine"),
        (lambda line: {**line, "document": "text"}, "the document isn't an object"),
        (lambda line: {"row": 6, "document": {}}, ".*batch"),
        (
            lambda line: {**line, "document": {"line": "a,b", "columns": ["x"]}},
            "the row has 2 fields, its columns are 1",
        ),
    ],
)
def test_a_line_that_cannot_be_used_is_named_and_nothing_is_replayed(stored: Store, change: Any, why: str) -> None:
    first, *others = exported(stored)
    others[0]["document"]["SHOT_MADE"] = "TRUE"
    content = "\n".join(json.dumps(line) for line in (change(first), *others)).encode()
    with pytest.raises(BatchError, match=f"c.jsonl can't be replayed, and no line of it was: line 1: {why}"):
        corrected("c.jsonl", content, stored)
    twice = "\n".join([json.dumps(others[0])] * 2).encode()
    with pytest.raises(BatchError, match=r"line 2: row 10 of .* is named twice"):
        corrected("c.jsonl", twice, stored)
    with pytest.raises(BatchError, match="line 1: Input data was truncated"):
        corrected("c.jsonl", b'{"batch": ', stored)


def test_a_correction_of_a_stored_shot_is_a_duplicate(
    stored: Store, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    line = exported(stored)[0]
    line["document"] = json.loads(stored.lake(["raw"])["raw"][0].as_py())
    (manifest,), _ = replay.replay(written(tmp_path / "c.jsonl", [line]), NBA, stored, instance)
    assert (manifest.inserted, manifest.duplicates) == (0, 1)
    assert len(unresolved(stored)) == 3


def test_the_commands_print_what_they_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARIVISION_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    monkeypatch.delenv("PARIVISION_MONGO_URL", raising=False)
    (tmp_path / "dagster").mkdir()
    store = open_store(Settings.from_env(), NBA)
    fill(store, tmp_path / "inbox")
    path = tmp_path / "c.jsonl"
    assert quarantine.main(["--write", str(path)]) == 0
    assert f"4 rows written. Correct their documents, then: make replay FILE={path}" in capsys.readouterr().out
    assert quarantine.main(["--write", str(path)]) == 1  # it may hold corrections by now
    assert "name another file" in capsys.readouterr().err
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["document"]["PLAYER_ID"] = "200011"
    lines[1]["document"]["SHOT_MADE"] = "never"
    written(path, lines)
    assert replay.main([str(path)]) == 1
    output = capsys.readouterr().out
    assert "2 rows = 1 inserted + 0 duplicates + 1 quarantined" in output
    assert "still wrong: SHOT_MADE='never' is neither made nor missed" in output
    assert "2 corrections replayed, 2 lines unchanged." in output
    assert quarantine.main([]) == 0
    assert "3 rows in quarantine, 0 failed batches" in capsys.readouterr().out
    assert replay.main([str(path)]) == 1
    assert "isn't in quarantine, or was replayed already" in capsys.readouterr().err
    assert replay.main([str(tmp_path / "absent")]) == 1
    assert "No such file" in capsys.readouterr().err


def test_without_a_file_the_command_prints_how_to_name_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert replay.main([""]) == 1
    assert "make replay FILE=" in capsys.readouterr().err
