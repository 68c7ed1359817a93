"""A disk that becomes full while the platform is up is one line in the terminal, in place of pages of stack traces."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from deploy import disk
from deploy.disk import DiskWatch
from deploy.log import TerminalLog
from parivision_core.disk_space import LEAST_ROOM_BYTES


def test_a_full_disk_is_said_once_and_what_dagster_writes_about_it_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    free = LEAST_ROOM_BYTES
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free))
    monkeypatch.setattr(disk, "CHECK_SECONDS", 0.0)
    log = TerminalLog()
    watch = DiskWatch({tmp_path}, log)

    def shown(*lines: tuple[str, bytes]) -> list[str]:
        for line in lines:
            log.lines.put(line)
        log.show()
        watch.step()
        return [line.partition("| ")[2] for line in capsys.readouterr().out.splitlines()]

    assert shown(("daemon", b"an error\n")) == ["an error"]
    free -= 1
    trace = [("daemon", b"Traceback (most recent call last):\n"), ("code", b"  File\n"), ("api", b"a warning\n")]
    first, second = shown(*trace)
    assert first.startswith(f"The disk of {tmp_path} is full (20.0 MB are free)")
    assert "free some space" in first and "what failed is done again" in first
    assert second == "a warning"
    assert shown(*trace) == ["a warning"]
    free += 1
    said, after = shown(("daemon", b"an error\n"))
    assert said == "The disk has room again; 4 lines of Dagster and MLflow weren't shown meanwhile."
    assert after == "an error"
