"""The settings: defaults, and errors that name the variable, its value and what it may be."""

from __future__ import annotations

from pathlib import Path

import pytest
from litestar.testing import TestClient

from parivision_core.problems import ConfigurationError
from parivision_serving.virtual_bets.app import create_app
from parivision_serving.virtual_bets.scenarios import Scenario
from parivision_serving.virtual_bets.settings import VirtualBetsSettings


def test_defaults() -> None:
    settings = VirtualBetsSettings.from_env({"VIRTUAL_BETS_SPEED": "", "VIRTUAL_BETS_FILE": ""})
    assert (settings.days_a_minute, settings.scenario, settings.seed) == (30.0, Scenario.CALM, 1)
    assert (settings.ahead_days, settings.file, settings.port) == (14, None, 8800)
    assert settings.folder == Path.cwd() / ".parivision" / "virtual_bets"


def test_every_variable_is_read(tmp_path: Path) -> None:
    env = {
        "VIRTUAL_BETS_SPEED": "0.25",
        "VIRTUAL_BETS_AHEAD": "0",
        "VIRTUAL_BETS_SCENARIO": "late_batches",
        "VIRTUAL_BETS_SEED": "0",
        "PARIVISION_FEED_PORT": "8801",
        "PARIVISION_HOME": str(tmp_path),
    }
    settings = VirtualBetsSettings.from_env(env)
    assert (settings.days_a_minute, settings.scenario, settings.seed) == (0.25, Scenario.LATE_BATCHES, 0)
    assert settings.ahead_days == 0
    assert (settings.port, settings.folder) == (8801, tmp_path / "virtual_bets")
    (tmp_path / "shots.csv").write_text("")
    assert VirtualBetsSettings.from_env({"VIRTUAL_BETS_FILE": str(tmp_path / "shots.csv")}).file


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("VIRTUAL_BETS_SPEED", "fast", "days a minute"),
        ("VIRTUAL_BETS_SPEED", "-1", "from 0"),
        ("VIRTUAL_BETS_SPEED", "nan", "from 0"),
        ("VIRTUAL_BETS_SPEED", "inf", "100,000"),
        ("VIRTUAL_BETS_AHEAD", "a week", "whole number from 0 to 365"),
        ("VIRTUAL_BETS_AHEAD", "366", "whole number from 0 to 365"),
        ("VIRTUAL_BETS_SCENARIO", "chaos", "calm, three_point_revolution, new_recording, bad_batches, late_batches"),
        ("VIRTUAL_BETS_SEED", "one", "whole number"),
        ("VIRTUAL_BETS_SEED", "-1", "whole number from 0"),
        ("VIRTUAL_BETS_FILE", "/nowhere/shots.csv", "no file"),
        ("PARIVISION_FEED_PORT", "0", "between 1 and 65535"),
        ("PARIVISION_FEED_PORT", "http", "whole number"),
    ],
)
def test_a_bad_value_names_its_variable(variable: str, value: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        VirtualBetsSettings.from_env({variable: value})
    message = str(caught.value)
    assert message.startswith(f"{variable}={value!r}")
    assert expected in message


def test_a_file_excludes_a_scenario(tmp_path: Path) -> None:
    (tmp_path / "shots.csv").write_text("")
    env = {"VIRTUAL_BETS_FILE": str(tmp_path / "shots.csv"), "VIRTUAL_BETS_SCENARIO": "bad_batches"}
    with pytest.raises(ConfigurationError, match="VIRTUAL_BETS_SCENARIO='bad_batches' needs a simulation"):
        VirtualBetsSettings.from_env(env)


def test_another_seed_needs_another_home(tmp_path: Path) -> None:
    """The shots of one simulation may be in a lake already; those of another would contradict them."""
    with TestClient(create_app(VirtualBetsSettings(home=tmp_path, seed=1)), base_url="http://127.0.0.1") as client:
        client.get("/reset")
    with pytest.raises(
        ConfigurationError, match=r"belongs to 'simulation 1, seed 1, calm'.*set another PARIVISION_HOME"
    ):
        create_app(VirtualBetsSettings(home=tmp_path, seed=2))
    with TestClient(create_app(VirtualBetsSettings(home=tmp_path, seed=1)), base_url="http://127.0.0.1") as client:
        assert client.get("/status").status_code == 200


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\x00\x01", b"PK\x05\x06 no archive", b"GAME_ID\n\xff\xfe\n"])
def test_a_file_without_shots_is_reported(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "shots.csv").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"VIRTUAL_BETS_FILE=.*shots.csv' can't be served"):
        create_app(VirtualBetsSettings(home=tmp_path, file=tmp_path / "shots.csv"))
