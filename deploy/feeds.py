"""Which feeds `make up` starts with when nobody chose: what the lake was filled from goes on filling it.

Simulated shots must not end up among real ones because somebody forgot a variable.
"""

from __future__ import annotations

from dataclasses import replace

from parivision_assets.feeds.files import READERS
from parivision_core.nba import NBA
from parivision_core.settings import FEEDS, INBOX, VIRTUAL_BETS, Settings
from parivision_core.store import open_store


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


def simulates(settings: Settings) -> bool:
    """Whether a VirtualBets of our own is wanted, and not one elsewhere."""
    return VIRTUAL_BETS in settings.feeds and settings.feed_url == f"http://127.0.0.1:{settings.feed_port}"
