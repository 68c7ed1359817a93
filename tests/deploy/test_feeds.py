"""The choice of feeds: those that the lake was filled from, and simulated shots only if there are no others."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy import feeds
from deploy.feeds import InboxWatch, simulates, with_feeds
from deploy.up import notes
from parivision_core.nba.shots import NBA
from parivision_core.problems import ConfigurationError
from parivision_core.records import Manifest
from parivision_core.settings import Settings
from parivision_core.store import open_store
from tests.helpers import shots


def settings_of(home: Path, **more: str) -> Settings:
    return Settings.from_env({"PARIVISION_HOME": str(home), **more})


def test_a_new_platform_simulates_and_one_with_files_does_not(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    assert with_feeds(settings, when_empty="virtual_bets").feeds == ("virtual_bets",)
    assert with_feeds(settings).feeds == ("inbox",)
    settings.inbox.mkdir()
    (settings.inbox / ".hidden.csv").touch()
    (settings.inbox / "notes.txt").touch()
    assert with_feeds(settings, when_empty="virtual_bets").feeds == ("virtual_bets",)
    (settings.inbox / "season.csv").touch()
    assert with_feeds(settings, when_empty="virtual_bets").feeds == ("inbox",)


def test_a_platform_goes_on_with_the_feeds_it_was_filled_from(
    tmp_path: Path, put: Callable[..., list[Manifest]]
) -> None:
    """Otherwise a forgotten variable would mix simulated shots with real ones."""
    settings = settings_of(tmp_path)
    put(open_store(settings, NBA), shots.season(games=1, shots=8))
    assert with_feeds(settings, when_empty="virtual_bets").feeds == ("inbox",)


def test_a_choice_is_kept_and_an_unknown_feed_is_named(tmp_path: Path) -> None:
    chosen = settings_of(tmp_path, PARIVISION_FEED="inbox, virtual_bets,inbox")
    assert with_feeds(chosen).feeds == ("inbox", "virtual_bets")
    assert simulates(chosen)
    assert not simulates(settings_of(tmp_path, PARIVISION_FEED="inbox"))
    elsewhere = settings_of(tmp_path, PARIVISION_FEED="virtual_bets", PARIVISION_FEED_URL="http://feeds:8800/")
    assert not simulates(elsewhere)
    assert elsewhere.feed_url == "http://feeds:8800"
    with pytest.raises(
        ConfigurationError, match="names 'nba_stats', which is no feed; choose from inbox, virtual_bets"
    ):
        with_feeds(settings_of(tmp_path, PARIVISION_FEED="nba_stats"))


def test_files_in_an_inbox_that_is_not_a_feed_are_reported(tmp_path: Path) -> None:
    simulated = settings_of(tmp_path, PARIVISION_FEED="virtual_bets")
    assert notes(simulated) == []
    simulated.inbox.mkdir()
    (simulated.inbox / "season.csv").touch()
    (message,) = notes(simulated)
    assert f"Not watched: the inbox {simulated.inbox} (1 file)" in message
    assert "PARIVISION_FEED=inbox PARIVISION_HOME=.real make up" in message
    assert "drop season files here" in notes(settings_of(tmp_path, PARIVISION_FEED="inbox"))[0]


def test_a_file_that_comes_later_is_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "CHECK_SECONDS", 0.0)
    simulated = settings_of(tmp_path, PARIVISION_FEED="virtual_bets")
    simulated.inbox.mkdir()
    (simulated.inbox / "known.csv").touch()
    messages: list[str] = []
    watch = InboxWatch(simulated, messages.append)
    watch.step()
    assert messages == []
    (simulated.inbox / "season.csv").touch()
    watch.step()
    watch.step()
    (message,) = messages
    assert "(2 files)" in message
    (simulated.inbox / "season.csv").unlink()
    (simulated.inbox / "known.csv").unlink()
    watch.step()
    (simulated.inbox / "season.csv").touch()
    watch.step()
    assert ["(1 file)" in line for line in messages] == [False, True]


def test_an_inbox_that_is_a_feed_is_not_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "CHECK_SECONDS", 0.0)
    settings = settings_of(tmp_path, PARIVISION_FEED="inbox,virtual_bets")
    watch = InboxWatch(settings, pytest.fail)
    settings.inbox.mkdir()
    (settings.inbox / "season.csv").touch()
    watch.step()


def test_a_file_of_no_known_kind_is_reported_of_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "CHECK_SECONDS", 0.0)
    settings = settings_of(tmp_path, PARIVISION_FEED="inbox")
    settings.inbox.mkdir()
    messages: list[str] = []
    watch = InboxWatch(settings, messages.append)
    (settings.inbox / "season.xlsx").touch()
    watch.step()
    watch.step()
    (message,) = messages
    assert message in notes(settings)
    assert "season.xlsx; it takes .csv" in message


def test_an_inbox_that_cannot_be_read_is_reported_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "CHECK_SECONDS", 0.0)
    settings = settings_of(tmp_path)
    settings.inbox.touch()
    message = f"the inbox {settings.inbox} can't be read: Not a directory; make it a folder that can be read"
    assert with_feeds(settings, when_empty="virtual_bets").feeds == ("virtual_bets",)
    for choice in ("inbox", "virtual_bets"):
        assert notes(settings_of(tmp_path, PARIVISION_FEED=choice))[-1] == message
    settings.inbox.unlink()
    messages: list[str] = []
    watch = InboxWatch(settings_of(tmp_path, PARIVISION_FEED="inbox"), messages.append)
    settings.inbox.touch()
    watch.step()
    watch.step()
    assert messages == [message]


def test_only_what_the_feed_would_read_counts_as_a_file(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    settings.inbox.mkdir()
    (tmp_path / "elsewhere.csv").touch()
    (settings.inbox / "link.csv").symlink_to(tmp_path / "elsewhere.csv")
    os.mkfifo(settings.inbox / "pipe.csv")
    (settings.inbox / "folder.csv").mkdir()
    assert with_feeds(settings, when_empty="virtual_bets").feeds == ("virtual_bets",)
    assert (
        "link.csv (a link that leads out), pipe.csv (a named"
        in notes(settings_of(tmp_path, PARIVISION_FEED="inbox"))[1]
    )
