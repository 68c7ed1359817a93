"""`make faults`: each kind is injected once, and a platform that lost, doubled or hid something would be found out."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from benchmarks.faults import __main__, shared
from benchmarks.faults.outcome import Outcome
from benchmarks.faults.stored_bytes import KINDS, cut, damaged, flip
from benchmarks.faults.table import FAULTS, MOST_TIMES, Fault, in_words, run
from parivision_core.problems import StoreError
from parivision_core.store import files, parquet
from tests.helpers.paths import ROOT

LEAST_FAULTS, LEAST_KINDS = 200, 40


def test_there_are_enough_kinds_and_none_makes_up_the_number() -> None:
    assert len(FAULTS) >= LEAST_KINDS
    assert sum(kind.times for kind in FAULTS) >= LEAST_FAULTS
    assert max(kind.times for kind in FAULTS) <= MOST_TIMES
    assert len({kind.name for kind in FAULTS}) == len(FAULTS)


@pytest.mark.slow
@pytest.mark.process
def test_nothing_is_lost_when_each_quick_kind_is_injected_once() -> None:
    command = [sys.executable, "-m", "benchmarks.faults", "--quick"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    number = sum(kind.quick for kind in FAULTS)
    last = f"{number} faults of {number} kinds: 0 lost, 0 doubled, 0 failed requests, 0 not reported"
    assert done.stdout.splitlines()[-1] == last, done.stderr
    assert done.returncode == 0


def test_faults_of_stored_bytes_are_counted_and_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["a bit flips: a lake", "is gone", "--quick", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    kinds = ["a file of the state folder is gone", "a bit flips: a lake file"]
    assert [row["fault"] for row in found["kinds"]] == kinds
    assert found["totals"] == {
        "faults": 2,
        "kinds": 2,
        "lost": 0,
        "doubled": 0,
        "failed": 0,
        "not_reported": 0,
        "not_tried": 0,
    }


def test_a_kind_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        __main__.main(["no such kind"])
    assert "a bit flips: a lake file" in capsys.readouterr().err


def test_damage_that_is_read_as_something_else_counts_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a store that passes damaged files over."""

    def silent(*arguments: Any, **named: Any) -> pa.Table:
        try:
            return parquet.read(*arguments, **named)
        except StoreError:
            return pa.table({"_id": pa.array([], pa.string())})

    monkeypatch.setattr(files, "read", silent)
    lake = next(stored for stored in KINDS if stored.name == "a lake file")
    (row,) = run([Fault("flip", 2, damaged(lake, flip))], once=False)
    assert row.lost >= 2 * 239
    assert row.reported == 0


def test_an_answer_that_names_nothing_is_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "unreadable", lambda *_: StoreError("something is wrong"))
    lake = next(stored for stored in KINDS if stored.name == "a lake file")
    (row,) = run([Fault("cut", 2, damaged(lake, cut))], once=False)
    assert (row.times, row.reported, row.good) == (2, 0, False)


def test_every_number_reaches_the_table_and_the_last_line() -> None:
    def inject(folder: Path, seed: int) -> Outcome:
        if seed == 2:
            raise ZeroDivisionError("an error in a fault")
        return Outcome(lost=1, doubled=2, failed=3, reported=seed > 0)

    (row,) = rows = run([Fault("bad", 3, inject)], once=False)
    assert not row.good and "ZeroDivisionError" in row.notes[0]
    lines = in_words(rows).splitlines()
    assert "| bad | 3 | 2 | 4 | 6 | 1 of 3 |" in lines
    assert lines[-1] == "3 faults of 1 kinds: 2 lost, 4 doubled, 6 failed requests, 2 not reported"


def test_what_is_not_tried_in_time_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.faults.table.BUDGET_SECONDS", -1.0)
    rows = run([Fault("late", 3, lambda *_: Outcome())], once=False)
    assert not rows[0].good
    assert re.search(r"0 not reported, 3 NOT TRIED$", in_words(rows))


def test_shots_that_are_there_twice_or_missing_are_counted(tmp_path: Path) -> None:
    store = shared.store_of(tmp_path)
    shared.season_file(tmp_path / "inbox" / "a.csv")
    shared.ingest_all(tmp_path / "inbox", store)
    assert shared.balanced(store, shared.GAME) == Outcome()
    assert shared.balanced(store, shared.GAME + 5).lost == 5
    table = store.lake()
    assert shared.missing([table], [table.slice(3)]) == 3
    assert shared.twice([[1, 2]], [[1, 2, 2]]) == 1
