"""The report of `make quarantine`: rows and batches that were kept out of the lake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from parivision_assets.commands.quarantine import main, report
from parivision_core.records import Manifest
from parivision_core.store.files import FileStore
from tests.helpers import shots


def test_rows_and_failed_batches_are_listed_with_reasons(store: FileStore, put: Callable[..., list[Manifest]]) -> None:
    frame = shots.season(games=2)
    frame.loc[4, "SHOT_MADE"] = "PERHAPS"
    (manifest,) = put(store, frame)
    store.record_failure("f", "torn", "BatchError: torn.zip is not a complete zip archive")
    row, batch, total = report(store, {"f"})
    assert row == f"{manifest.batch_id} row 5: SHOT_MADE='PERHAPS' is neither made nor missed"
    assert batch.startswith("torn failed and will be tried again (attempts: 1)")
    assert report(store, set())[-1] == "1 row in quarantine, 0 failed batches"
    assert total == "1 row in quarantine, 1 failed batch"
    assert '"PERHAPS"' in report(store, {"f"}, manifest.batch_id, raw=True)[0]
    assert report(store, {"f"}, "another")[-1] == "0 rows in quarantine, 0 failed batches"


def test_the_command_prints_the_report_and_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARIVISION_HOME", str(tmp_path))
    assert main([]) == 0
    assert capsys.readouterr().out == "0 rows in quarantine, 0 failed batches\n"
    (tmp_path / "inbox" / "notes.txt").touch()
    assert main([]) == 0
    assert "Ignored in the inbox" in capsys.readouterr().out
    monkeypatch.setenv("PARIVISION_API_PORT", "x")
    assert main([]) == 1
    assert "PARIVISION_API_PORT" in capsys.readouterr().err


def test_an_inbox_that_cannot_be_read_is_one_line_of_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARIVISION_HOME", str(tmp_path))
    (tmp_path / "inbox").touch()
    assert main([]) == 0
    problem, report_line = capsys.readouterr().out.splitlines()
    assert problem == f"The feed inbox can't be read: the inbox {tmp_path / 'inbox'} can't be read: Not a directory"
    assert report_line == "0 rows in quarantine, 0 failed batches"
