"""The prediction log's file is moved, removed, replaced or of an earlier version: no row is lost."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from parivision_core.prediction_log import sqlite_file
from parivision_core.prediction_log.base import Outcome
from parivision_core.prediction_log.sqlite import SqlitePredictionLog
from parivision_core.prediction_log.sqlite_file import CHECKED
from parivision_core.problems import StoreError
from tests.helpers.paths import ROOT
from tests.helpers.prediction_logs import many, one

ENDINGS = ("", "-wal", "-shm")
KILLED = """
import os, signal, sys
from pathlib import Path
from parivision_core.prediction_log.sqlite import SqlitePredictionLog
from tests.helpers.prediction_logs import one
prediction_log = SqlitePredictionLog(Path(sys.argv[1]))
for _ in range(5):
    prediction_log.append([one()])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "j.sqlite"


def beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def move(path: Path, to: Path, endings: tuple[str, ...] = ENDINGS) -> None:
    to.parent.mkdir(exist_ok=True)
    for ending in endings:
        beside(path, ending).rename(beside(to, ending))


def ids(prediction_log: SqlitePredictionLog) -> list[str]:
    return [call.id for call in prediction_log.calls(limit=100)][::-1]


@pytest.mark.process
def test_no_prediction_log_is_made_beside_the_log_of_another(path: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, check=False)
    away = tmp_path / "away" / "j.sqlite"
    move(path, away, ("",))
    for left in ("-wal", "-shm"):
        with pytest.raises(StoreError, match=r"while j\.sqlite-wal or j\.sqlite-shm lies there: .*move both to that"):
            SqlitePredictionLog(path)
        assert not path.exists()
        beside(path, left).rename(beside(away, left))
    assert len(ids(SqlitePredictionLog(away))) == 5
    SqlitePredictionLog(path).append([one()])


def test_a_new_prediction_log_is_named_in_the_log(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It may take the place of one that is gone."""
    caplog.set_level("INFO")
    for _ in range(2):
        sqlite_file.SqliteFile(path).close()
    assert caplog.messages == [f"no prediction log lay at {path}; a new one was made"]


def test_what_a_crash_left_of_a_new_file_does_no_harm(path: Path) -> None:
    for ending in ENDINGS:
        beside(path, f".partial{ending}").write_bytes(b"rubbish")
    SqlitePredictionLog(path).append([one()])
    assert not list(path.parent.glob("*.partial*"))


def test_a_prediction_log_removed_under_a_service_is_reported_until_another_is_there(path: Path) -> None:
    prediction_log = SqlitePredictionLog(path)
    prediction_log.append([one()])
    for ending in ENDINGS:
        beside(path, ending).unlink()
    for use in (lambda: prediction_log.append([one()]), lambda: prediction_log.calls(limit=1)):
        with pytest.raises(StoreError, match="is gone or can't be seen"):
            use()
    other, call = SqlitePredictionLog(path), one()
    prediction_log.append([call])
    assert ids(other) == [call.id]
    prediction_log.close()
    other.append([one()])
    assert len(ids(SqlitePredictionLog(path))) == 2


def test_a_prediction_log_moved_under_a_service_is_written_no_more_and_keeps_its_log(
    path: Path, tmp_path: Path
) -> None:
    away, backup = tmp_path / "away" / "j.sqlite", tmp_path / "backup"
    SqlitePredictionLog(path).close()
    shutil.copy(path, backup)
    prediction_log, first, last = SqlitePredictionLog(path), one(), one()
    prediction_log.append([first])
    move(path, away, ("",))
    for _ in range(2):  # nothing there, then a copy that the log doesn't belong to
        with pytest.raises(StoreError, match=r"was moved away, but its j\.sqlite-wal still lies here"):
            prediction_log.append([one()])
        shutil.copy(backup, path)
    path.unlink()
    move(path, away, ("-wal", "-shm"))
    shutil.copy(backup, path)
    prediction_log.append([last])
    assert ids(SqlitePredictionLog(path)) == [last.id]
    assert ids(SqlitePredictionLog(away)) == [first.id]


def test_a_file_that_replaces_another_is_checked(path: Path, tmp_path: Path) -> None:
    prediction_log = SqlitePredictionLog(path)
    move(path, tmp_path / "away" / "j.sqlite")
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="has format 99"):
        prediction_log.append([one()])


def test_pairs_of_a_prediction_log_that_was_put_back_are_found(path: Path, tmp_path: Path) -> None:
    """A pair's number in one file may be another pair's number, or unused, in a backup."""
    prediction_log = SqlitePredictionLog(path)
    prediction_log.append([one(feature_state_stamp="old")])
    prediction_log.close()
    shutil.copy(path, tmp_path / "backup")
    prediction_log = SqlitePredictionLog(path)
    prediction_log.append([one(feature_state_stamp="new")])
    move(path, tmp_path / "away" / "j.sqlite")
    shutil.copy(tmp_path / "backup", path)
    call = one(feature_state_stamp="new")
    prediction_log.append([call])
    assert prediction_log.call(call.id) == call


def test_a_prediction_log_of_the_previous_format_is_upgraded(path: Path) -> None:
    prediction_log, call = SqlitePredictionLog(path), one(awaited=((0, "2023-01-01:1"),))
    prediction_log.append([call])
    prediction_log.close()
    with sqlite3.connect(path) as db:
        db.executescript("DROP TABLE days; DROP TABLE settled")
        for table in set(CHECKED) - {"days"}:
            db.execute(f"ALTER TABLE {table} DROP COLUMN crc")
        db.execute("PRAGMA user_version = 1")
    prediction_log, other = SqlitePredictionLog(path), SqlitePredictionLog(path)
    assert ids(prediction_log) == [call.id]
    before = prediction_log.awaited_days()
    assert list(before) == ["2023-01-01"]
    other.append([one(awaited=((0, "2023-01-01:1"),))])
    assert prediction_log.awaited_days() != before
    prediction_log.put_outcomes({call.id: Outcome(made=True, source="lake", reported_at=1)})
    assert prediction_log.settled_days() == ["2023-01-01"]


def test_days_are_found_without_reading_all_awaited_shots(path: Path) -> None:
    """SQLite counts its steps: ten thousand awaited shots of the same days take as many as ten."""
    steps = []
    for number, count in enumerate((10, 10_000)):
        prediction_log = SqlitePredictionLog(path.with_name(f"{number}"))
        keys = [f"2023-01-{1 + i % 5:02}:{i}" for i in range(count)]
        prediction_log.append([many([0.5], [{}], awaited=tuple(enumerate(keys)))])
        seen: list[None] = []
        with prediction_log._file.connection() as db:
            db.set_progress_handler(lambda s=seen: s.append(None), 1)
        assert len(prediction_log.awaited_days()) == 5
        steps.append(len(seen))
    assert 0 < steps[0] == steps[1]


def test_the_memory_that_a_large_bulk_request_needs_is_released(path: Path) -> None:
    prediction_log = SqlitePredictionLog(path)
    awaited = tuple((row, f"2023-01-01:{row % 97}:{row}") for row in range(5_000))
    with prediction_log._file.connection() as db:
        statements: list[str] = []
        db.set_trace_callback(statements.append)
    prediction_log.append([one(awaited=awaited[:1])])
    assert not any("cache_size" in text for text in statements)
    call = many([0.5] * 5_000, [{}], awaited=awaited)
    prediction_log.append([call])
    assert any(f"cache_size = -{sqlite_file.LARGE_CACHE_KB}" in text for text in statements)
    with prediction_log._file.connection() as db:
        assert db.execute("PRAGMA cache_size").fetchone()[0] == -sqlite_file.CACHE_KB
    assert prediction_log.awaiting([awaited[4321][1]]) == {awaited[4321][1]: [f"{call.id}:4321"]}
    inserts = [text for text in statements if text.startswith("INSERT INTO awaited")]
    assert len(inserts) < 100  # each releases Python's lock
