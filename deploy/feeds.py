"""Which feeds `make up` starts with when nobody chose: what the lake was filled from goes on filling it.

Simulated shots must not end up among real ones because somebody forgot a variable.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from parivision_assets.feeds.files import READERS
from parivision_assets.feeds.inbox import passed_over
from parivision_core.nba.shots import NBA
from parivision_core.settings import FEEDS, INBOX, VIRTUAL_BETS, Settings
from parivision_core.store import open_store

LOOK_SECONDS = 3.0
"""Between two looks into an inbox that nobody watches."""


def with_feeds(settings: Settings, when_empty: str = INBOX) -> Settings:
    """The settings with their feeds chosen; `when_empty` is the feed of a house without shots and without files.

    Raises ConfigurationError for a feed that there isn't, and StoreError when the store can't be used.
    """
    store = open_store(settings, NBA)  # always: one of another version is to be told before anything starts
    if not settings.feed:
        known = {manifest.feed for manifest in store.manifests()}
        filled_from = [name for name in FEEDS if name in known]
        chosen = filled_from or [INBOX if files_in_inbox(settings) else when_empty]
        settings = replace(settings, feed=",".join(chosen))
    _ = settings.feeds  # an unknown name is told before anything starts
    return settings


def files_in_inbox(settings: Settings) -> int:
    """How many files that the inbox's feed would take lie there."""
    if not settings.inbox.is_dir():
        return 0
    files = [path for path in settings.inbox.iterdir() if path.is_file() and not path.name.startswith(".")]
    return sum(path.suffix.lower() in READERS for path in files)


def unwatched_inbox(settings: Settings) -> str:
    """What a person should know about files in the inbox of a house that another feed fills; empty without any."""
    waiting = 0 if INBOX in settings.feeds else files_in_inbox(settings)
    if not waiting:
        return ""
    return (
        f"Not watched: the inbox {settings.inbox} ({waiting} {'file' if waiting == 1 else 'files'}), for the shots "
        "here are simulated. Give real ones a house of their own, and move them into its inbox: "
        "PARIVISION_FEED=inbox PARIVISION_HOME=.real make up"
    )


def unread(settings: Settings) -> str:
    """What a person should know about files in the inbox that nobody will read; empty without any."""
    return passed_over(settings.inbox) if INBOX in settings.feeds else unwatched_inbox(settings)


class InboxWatch:
    """Tells of files that are put into an inbox and that nobody will read: no sensor would say a word."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        """`say` prints a line; the files that lie there now are told of elsewhere."""
        self._settings, self._say = settings, say
        self._told, self._looked = unread(settings), time.monotonic()

    def step(self) -> None:
        """Look, when it is time again, and say what is new."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked, before = time.monotonic(), self._told
        with suppress(OSError):  # a folder that can't be read now is no reason to end the house
            self._told = unread(self._settings)
        if self._told and self._told != before:
            self._say(self._told)


def simulates(settings: Settings) -> bool:
    """Whether a VirtualBets of our own is wanted, and not one elsewhere."""
    return VIRTUAL_BETS in settings.feeds and settings.feed_url == f"http://127.0.0.1:{settings.feed_port}"
