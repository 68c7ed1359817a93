"""Fixtures for the feed's steps: what a command finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from parivision_core.nba.shots import NBA
from parivision_core.settings import Settings
from parivision_core.store import open_store
from parivision_core.store.base import Store


@pytest.fixture
def command_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The empty store that commands open, in a state folder and a folder of Dagster of their own."""
    monkeypatch.setenv("PARIVISION_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    monkeypatch.delenv("PARIVISION_MONGO_URL", raising=False)
    (tmp_path / "dagster").mkdir()
    return open_store(Settings.from_env(), NBA)
