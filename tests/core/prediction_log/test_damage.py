"""The embedded prediction log refuses what isn't as it was written, and promises nothing in a damaged file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from parivision_core.prediction_log.base import Call, Outcome
from parivision_core.prediction_log.sqlite import SqlitePredictionLog
from parivision_core.problems import StoreError
from tests.helpers.flips import results_of_flips
from tests.helpers.prediction_logs import many, one

FLIPS = 100
KEYS = [f"2023-01-0{1 + i % 5}:{i}" for i in range(20)]


def filled(path: Path) -> list[Call]:
    """A prediction log with a little of everything; the calls in it."""
    calls = [one(awaited=((0, key),)) for key in KEYS]
    calls += [many([0.5, 0.2], [{}, {}], awaited=((0, KEYS[0]), (1, KEYS[1]))) for _ in range(4)]
    prediction_log = SqlitePredictionLog(path)
    prediction_log.append(calls)
    prediction_log.put_outcomes({c.id: Outcome(made=True, source="caller", reported_at=5) for c in calls[:9]})
    prediction_log.delete(calls[-1].id, 1)
    prediction_log.close()
    return calls


def everything(path: Path, calls: list[Call]) -> list[Any]:
    prediction_log, ids = SqlitePredictionLog(path), [call.id for call in calls]
    try:
        prediction_log.check()
        return [
            prediction_log.calls(limit=100),
            prediction_log.outcomes(ids),
            prediction_log.deleted(ids),
            prediction_log.awaiting(KEYS),
            prediction_log.awaited_days(),
        ]
    finally:
        prediction_log.close()


def test_no_changed_bit_is_read_as_another_value(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    calls = filled(path)
    found = results_of_flips([path], FLIPS, lambda: everything(path, calls))
    assert set(found) == {"refused", "same"}, found


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE outcomes SET made = 0",
        "UPDATE calls SET features = x'00'",
        "UPDATE pairs SET version = 9",
        "UPDATE deleted SET row = 0",
        "UPDATE days SET appends = 9",
    ],
)
def test_a_changed_row_is_found_before_anything_is_written(tmp_path: Path, change: str) -> None:
    path = tmp_path / "log.sqlite"
    filled(path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(change)
    prediction_log = SqlitePredictionLog(path)
    with pytest.raises(StoreError, match=r"is damaged \(\d+ rows of \w+ were changed\); stop the service and move it"):
        prediction_log.append([one()])


def test_a_changed_row_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    first, *_ = filled(path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE calls SET latency_us = 9 WHERE id = ?", (first.id,))
        db.execute("UPDATE outcomes SET made = 0 WHERE id = ?", (first.id,))
    prediction_log = SqlitePredictionLog(path)
    with pytest.raises(StoreError, match="is damaged: a row was changed"):
        prediction_log.call(first.id)
    with pytest.raises(StoreError, match="is damaged: a row was changed"):
        prediction_log.outcomes([first.id])


def test_nothing_is_promised_in_a_file_that_was_cut_in_half(tmp_path: Path) -> None:
    """Under a running service: writes went on into the write-ahead log, and nothing of it could be read later."""
    path = tmp_path / "log.sqlite"
    prediction_log = SqlitePredictionLog(path)
    prediction_log.append([one(request=b"x" * 5000) for _ in range(200)])
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    prediction_log.append([one()])
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(StoreError, match=r"damaged|malformed"):
        prediction_log.append([one()])
