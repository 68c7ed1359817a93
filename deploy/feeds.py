"""Chooses the feeds when PARIVISION_FEED isn't set: those that the lake was filled from.

Otherwise a forgotten variable would mix simulated shots with real ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from parivision_assets.feeds.inbox import look_into
from parivision_core.nba.shots import NBA
from parivision_core.problems import FeedError
from parivision_core.settings import FEEDS, INBOX, VIRTUAL_BETS, Settings
from parivision_core.store import open_store

CHECK_SECONDS = 3.0
"""Seconds between two checks for files in the inbox that no feed will read."""


def with_feeds(settings: Settings, when_empty: str = INBOX) -> Settings:
    """The settings with their feeds chosen; `when_empty` is the feed when there are neither shots nor files.

    Raises ConfigurationError for an unknown feed, and StoreError when the store can't be used.
    """
    store = open_store(settings, NBA)  # always: a store of another version is reported before anything starts
    if not settings.feed:
        known = {manifest.feed for manifest in store.manifests()}
        filled_from = [name for name in FEEDS if name in known]
        chosen = filled_from or [INBOX if files_in_inbox(settings) else when_empty]
        settings = replace(settings, feed=",".join(chosen))
    _ = settings.feeds  # raises for an unknown name, before anything starts
    return settings


def files_in_inbox(settings: Settings) -> int:
    """How many files in the inbox folder its feed could read; none when the folder itself can't be read."""
    try:
        return len(look_into(settings.inbox).files)
    except FeedError:
        return 0


def unread_files(settings: Settings) -> str:
    """A message about files in the inbox that no feed will read, or about an unreadable inbox; empty without any."""
    try:
        inbox = look_into(settings.inbox)
    except FeedError as error:
        return f"{error}; make it a folder that can be read"
    if INBOX in settings.feeds:
        return inbox.message
    waiting = len(inbox.files)
    if not waiting:
        return ""
    return (
        f"Not watched: the inbox {settings.inbox} ({waiting} {'file' if waiting == 1 else 'files'}), because the shots "
        "here are simulated. Keep real shots in a state folder of their own, and move the files into its inbox: "
        "PARIVISION_FEED=inbox PARIVISION_HOME=.real make up"
    )


class InboxWatch:
    """Reports files that are put into the inbox while no feed reads it: no sensor would mention them."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        """`say` prints a line. Files that are there already are mentioned with the addresses."""
        self._settings, self._say = settings, say
        self._message, self._checked = unread_files(settings), time.monotonic()

    def step(self) -> None:
        """Check if it is time again, and report a change."""
        if time.monotonic() - self._checked < CHECK_SECONDS:
            return
        self._checked, before = time.monotonic(), self._message
        self._message = unread_files(self._settings)
        if self._message and self._message != before:
            self._say(self._message)


def simulates(settings: Settings) -> bool:
    """Whether VirtualBets has to be started here; not when PARIVISION_FEED_URL names one elsewhere."""
    return VIRTUAL_BETS in settings.feeds and settings.feed_url == f"http://127.0.0.1:{settings.feed_port}"
