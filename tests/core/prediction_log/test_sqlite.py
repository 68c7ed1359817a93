"""The embedded prediction log when things go wrong: each error says what to do, and nothing is half written."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from parivision_core.nba.shots import NBA
from parivision_core.prediction_log import open_prediction_log
from parivision_core.prediction_log.base import Outcome
from parivision_core.prediction_log.mongo import MongoPredictionLog
from parivision_core.prediction_log.sqlite import SqlitePredictionLog
from parivision_core.problems import ConfigurationError, StoreError
from parivision_core.settings import Settings
from tests.helpers.paths import ROOT
from tests.helpers.prediction_logs import many, one


def test_the_prediction_log_lies_in_the_state_folder(tmp_path: Path) -> None:
    prediction_log = open_prediction_log(Settings(home=tmp_path).resolved(), NBA)
    assert isinstance(prediction_log, SqlitePredictionLog)
    assert prediction_log.path == tmp_path / "prediction_log" / "nba.sqlite"
    assert not list(prediction_log.path.parent.glob("*.partial*"))


def test_it_lies_in_the_database_that_the_settings_name(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, mongo_url="mongodb://127.0.0.1:9/x").resolved()
    assert isinstance(open_prediction_log(settings, NBA), MongoPredictionLog)
    assert not (tmp_path / "prediction_log").exists()
    for option in ("w=0", "journal=false"):
        lax = Settings(home=tmp_path, mongo_url=f"mongodb://127.0.0.1:9/x?{option}").resolved()
        with pytest.raises(ConfigurationError, match=f"{option} would lose predictions"):
            open_prediction_log(lax, NBA)


def test_a_prediction_log_of_another_version_says_so(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    SqlitePredictionLog(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="has format 99, this version writes format 4; run the version that made it"):
        SqlitePredictionLog(path)


@pytest.mark.parametrize("content", [b"rubbish" * 1000, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "j.sqlite"
    path.write_bytes(content)
    with pytest.raises(
        StoreError, match=r"stop the service and move it away together with its j\.sqlite-wal and j\.sqlite-shm"
    ):
        SqlitePredictionLog(path)


def test_an_overwritten_page_is_reported_and_a_new_prediction_log_can_take_its_place(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    prediction_log = SqlitePredictionLog(path)
    prediction_log.append([one(request=b"x" * 500) for _ in range(300)])
    prediction_log.close()
    with path.open("r+b") as file:
        file.seek(16384 * 2)
        file.write(b"\xff" * (path.stat().st_size - 16384 * 2))
    prediction_log = SqlitePredictionLog(path)
    with pytest.raises(StoreError, match="malformed"):
        prediction_log.calls(limit=400)
    path.rename(tmp_path / "away")
    prediction_log = SqlitePredictionLog(path)
    prediction_log.append([one()])
    assert len(prediction_log.calls(limit=5)) == 1


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="can't make the prediction log"):
        SqlitePredictionLog(tmp_path / "file" / "j.sqlite")


def test_a_removed_prediction_log_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    prediction_log = SqlitePredictionLog(path)
    prediction_log.close()
    path.unlink()
    with pytest.raises(StoreError, match="is gone or can't be seen"):
        prediction_log.append([one()])
    assert not path.exists()


FULL = """
import resource, signal, sys
from pathlib import Path
from parivision_core.prediction_log.sqlite import SqlitePredictionLog
from parivision_core.problems import StoreError
from tests.helpers.prediction_logs import one
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
prediction_log = SqlitePredictionLog(path)
first = [one() for _ in range(10)]
prediction_log.append(first)
size = path.with_name(path.name + "-wal").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20_000, resource.RLIM_INFINITY))
try:
    prediction_log.append([one(request=b"x" * 1000) for _ in range(500)])
except StoreError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(len(prediction_log.calls(limit=1000)))
prediction_log.append([one()])
print(len(prediction_log.calls(limit=1000)))
"""


def test_groups_of_any_size_are_written_by_few_statements(tmp_path: Path) -> None:
    """A connection caches its statements; one for each size of a group would take megabytes."""
    prediction_log, statements = SqlitePredictionLog(tmp_path / "j.sqlite"), []
    with prediction_log._file.connection() as db:
        db.set_trace_callback(statements.append)
    for size in (1, 2, 3, 99, 100, 127, 128, 129, 300):
        before, calls = len(statements), [one() for _ in range(size)]
        prediction_log.append(calls)
        assert prediction_log.calls(limit=size) == calls[::-1]
        inserts = [text for text in statements[before:] if text.startswith("INSERT INTO calls")]
        assert len(inserts) <= 9
        assert all(text.count("'shot'").bit_count() == 1 for text in inserts)


@pytest.mark.process
def test_a_full_disk_leaves_nothing_half_written_and_can_be_recovered_from(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "j.sqlite")],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    output, *counts = done.stdout.splitlines()
    assert "free some space" in output
    assert counts == ["10", "11"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_lock_that_is_held_too_long_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parivision_core.prediction_log.sqlite_file.BUSY_SECONDS", 0.05)
    prediction_log = SqlitePredictionLog(tmp_path / "j.sqlite")
    other = sqlite3.connect(prediction_log.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"another process has held the lock .* more than 0\.05 s") as caught:
        prediction_log.append([one()])
    assert "damaged" not in str(caught.value)
    assert prediction_log.calls(limit=5) == []  # readers don't wait
    other.execute("ROLLBACK")
    prediction_log.append([one()])
    assert len(prediction_log.calls(limit=5)) == 1


def test_a_value_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    prediction_log = SqlitePredictionLog(tmp_path / "j.sqlite")
    with pytest.raises(OverflowError):
        prediction_log.append([one(feature_state_stamp="new"), one(feature_state_stamp="new", latency_us=2**70)])
    assert prediction_log.calls(limit=5) == []
    prediction_log.append([one(feature_state_stamp="new")])
    assert prediction_log.calls(limit=5)[0].feature_state_stamp == "new"


def test_a_large_bulk_request_is_kept(tmp_path: Path) -> None:
    prediction_log = SqlitePredictionLog(tmp_path / "j.sqlite")
    call = many([0.5] * 1000, request=bytes(range(256)) * 10_000)
    prediction_log.append([call])
    prediction_log.put_outcomes(
        {f"{call.id}:{i}": Outcome(made=True, source="caller", reported_at=1) for i in range(1000)}
    )
    assert prediction_log.call(call.id) == call
    assert len(prediction_log.outcomes([f"{call.id}:{i}" for i in range(1000)])) == 1000
    assert prediction_log.prune("g", 10) == 1
    assert prediction_log.outcomes([f"{call.id}:0"]) == {}
