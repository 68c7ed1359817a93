"""What was promised outlives the process that promised it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.durability import prove
from parivision_core.journal.sqlite import SqliteJournal
from tests.mongo_server import free_port

ROOT = Path(__file__).parents[2]


def test_every_acknowledged_prediction_survives_five_kills(tmp_path: Path) -> None:
    path, port = tmp_path / "journal.sqlite", free_port()

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "tests.serving.promising", str(path), str(port)], cwd=ROOT)

    found = prove(start, port, lambda: SqliteJournal(path), seconds=0.4)
    assert found["missing"] == 0
    assert found["refused"] == 0
    assert all(found["acknowledged_by_round"])


def test_a_service_that_does_not_come_up_is_told(tmp_path: Path) -> None:
    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])

    with pytest.raises(RuntimeError, match="exit code 3"):
        prove(start, free_port(), lambda: SqliteJournal(tmp_path / "journal.sqlite"))
