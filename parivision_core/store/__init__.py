"""The store: its interface (`base`), the kinds of it, and how a sport's store is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymongo.database import Database

    from parivision_core.settings import Settings
    from parivision_core.sport import Sport
    from parivision_core.store.base import Store


def open_store(settings: Settings, sport: Sport) -> Store:
    """The store of one sport: on MongoDB where the settings name one, else in the state folder.

    Raises ConfigurationError for a URL that can't be used and StoreError for files that can't be opened. MongoDB
    is contacted on first use only, so that a service can start before it.
    """
    if not settings.mongo_url:
        return open_files(settings.home, sport)
    from parivision_core.store.mongo import connect  # noqa: PLC0415 - imported where used

    return open_mongo(connect(settings.mongo_url), sport)


def open_files(home: Path, sport: Sport) -> Store:
    """The embedded store of one sport in the state folder. Raises StoreError when it can't be opened."""
    from parivision_core.store.files import FileStore  # noqa: PLC0415 - see above

    return FileStore(home / "store" / sport.name, sport.lake, sport.warehouse)


def open_mongo(database: Database[dict[str, Any]], sport: Sport) -> Store:
    """The store of one sport in a database; its collections have the prefix of the sport's assets."""
    from parivision_core.store.mongo import MongoStore  # noqa: PLC0415 - see above

    return MongoStore(database, sport.lake, sport.warehouse, "".join(f"{part}_" for part in sport.asset_prefix))
