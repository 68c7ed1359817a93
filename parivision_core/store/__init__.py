"""The store: what it must do (`base`), what it can be made of, and where a sport's lies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parivision_core.sport import Sport
    from parivision_core.store.base import Store


def open_store(home: Path, sport: Sport) -> Store:
    """The store of one sport in the state folder. Raises StoreError when it can't be opened."""
    from parivision_core.store.files import FileStore  # noqa: PLC0415 - a kind is imported only where it is used

    return FileStore(home / "store" / sport.name, sport.lake, sport.warehouse)
