"""Replaying quarantined rows: written out, corrected, ingested, and known to Dagster as a partition."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from parivision_assets.commands import correct, quarantine, replay
from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.orchestration.partitions import batches_of
from parivision_assets.steps.feed.ingesting import ingest
from parivision_assets.steps.feed.replaying import corrected, shots_to_correct, to_correct, unresolved
from parivision_core.nba.shots import NBA
from parivision_core.problems import BatchError
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
        (lambda line: {**line, "row": 999}, "row 999 of .* isn't in quarantine or in the lake"),
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


def test_a_stored_shot_is_corrected_in_the_unit_of_its_file(
    stored: Store, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """Its season has no event ids, and even its shooter is another one: the line says which shot it is."""
    before = {shot["_id"]: shot for shot in stored.lake().to_pylist()}
    wrong, other = sorted(before)[:2]
    lines = [json.loads(line) for line in shots_to_correct([wrong, other, wrong], stored)]
    assert [line["row"] for line in lines] == [before[name]["row"] for name in (wrong, other)]
    lines[0]["document"] |= {"PLAYER_ID": "299999", "SHOT_MADE": "TRUE"}
    path = written(tmp_path / "c.jsonl", lines)
    (manifest,), unchanged = replay.replay(path, NBA, stored, instance)
    assert (manifest.inserted, manifest.revised, manifest.hidden, unchanged) == (1, 1, 1, 1)
    assert manifest.corrects == ((lines[0]["batch"], lines[0]["row"]),)
    assert manifest.resolves == ()
    assert manifest.changed == (before[wrong]["game_date"],) * 2
    (shot,) = stored.lake(batch=manifest.batch_id).to_pylist()
    assert (shot["player_id"], shot["made"]) == (299_999, 1)
    assert [shot["x"], shot["y"]] == [before[wrong]["x"], before[wrong]["y"]]
    after = {shot["_id"]: shot for shot in stored.lake().to_pylist()}
    assert set(before) - set(after) == {wrong}
    assert len(after) == len(before)
    with pytest.raises(BatchError, match="was replayed already"):
        replay.replay(path, NBA, stored, instance)
    with pytest.raises(BatchError, match=f"the lake holds no shot {wrong}"):
        shots_to_correct([wrong], stored)


def test_a_file_that_comes_again_does_not_undo_a_correction(stored: Store, tmp_path: Path) -> None:
    wrong = min(stored.lake(["_id"])["_id"].to_pylist())
    (line,) = shots_to_correct([wrong], stored)
    given = json.loads(line)
    given["document"]["SHOT_MADE"] = {"TRUE": "FALSE", "FALSE": "TRUE"}[given["document"]["SHOT_MADE"]]
    (batch,), _ = corrected("c.jsonl", json.dumps(given).encode(), stored)
    ingest(batch, NBA, stored)
    before = stored.lake(["_id", "made"]).to_pylist()
    shots.write(shots.season(games=3).iloc[::-1], tmp_path / "again" / "again.csv")
    (again,) = InboxFeed(tmp_path / "again", 0).batches()
    assert ingest(again, NBA, stored).inserted == 4  # the rows in quarantine, which are sound here
    after = stored.lake(["_id", "made"]).to_pylist()
    assert [shot for shot in before if shot not in after] == []
    assert len(after) == len(before) + 4


def test_a_correction_that_is_still_wrong_leaves_the_shot_as_it_was(
    stored: Store, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    before = stored.lake(["_id"]).sort_by("_id")
    lines = [json.loads(line) for line in shots_to_correct(before["_id"].to_pylist()[:2], stored)]
    for line in lines:
        line["document"] = {**lines[0]["document"], "QUARTER": "99"}  # equal and wrong: one of them is a repeat
    (manifest,), _ = replay.replay(written(tmp_path / "c.jsonl", lines), NBA, stored, instance)
    assert (manifest.quarantined, manifest.duplicates, manifest.hidden) == (1, 1, 0)
    assert stored.lake(["_id"]).sort_by("_id").equals(before)
    assert unresolved(stored)[-1].batch_id in {manifest.batch_id, stored.manifests()[0].batch_id}


def test_the_commands_print_what_they_did(
    command_store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(command_store, tmp_path / "inbox")
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
    assert "isn't in quarantine or in the lake, or was replayed already" in capsys.readouterr().err
    shot = command_store.lake(["_id"])["_id"][0].as_py()
    assert correct.main([shot, "--write", str(tmp_path / "s.jsonl")]) == 0
    assert "1 rows written" in capsys.readouterr().out
    assert correct.main(["2022-10-18:none", "--write", str(tmp_path / "t.jsonl")]) == 1
    assert "the lake holds no shot 2022-10-18:none" in capsys.readouterr().err
    (line,) = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    line["document"]["ACTION_TYPE"] = "Dunk Shot" if line["document"]["ACTION_TYPE"] != "Dunk Shot" else "Hook Shot"
    assert replay.main([str(written(tmp_path / "s.jsonl", [line]))]) == 0
    assert "1 of the inserted revise earlier records" in capsys.readouterr().out
    assert replay.main([str(tmp_path / "absent")]) == 1
    assert "No such file" in capsys.readouterr().err


def test_without_a_file_the_command_prints_how_to_name_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert replay.main([""]) == 1
    assert "make replay FILE=" in capsys.readouterr().err
