"""Stores of every kind, for tests that must hold on each of them. A new kind is added to `KINDS`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pymongo import MongoClient

from parivision_core.nba.shots import NBA
from parivision_core.store.base import Store
from parivision_core.store.files import FileStore
from parivision_core.store.mongo import MongoStore

Place = dict[str, str]
"""Where a store is, as text that can be sent to another process."""


def _open_files(place: Place) -> Store:
    return FileStore(Path(place["folder"]), NBA.lake, NBA.warehouse)


def _open_mongo(place: Place) -> Store:
    return MongoStore(MongoClient(place["url"])[place["database"]], NBA.lake, NBA.warehouse)


KINDS: dict[str, Callable[[Place], Store]] = {"files": _open_files, "mongo": _open_mongo}


def opened(place: Place) -> Store:
    """The store in a place, as another process would open it."""
    return KINDS[place["kind"]](place)


def same_content(one: Store, other: Store) -> None:
    """Assert that two stores hold equal content, whatever the order of their lakes."""
    assert one.manifests() == other.manifests()
    assert one.quarantine() == other.quarantine()
    assert one.verdicts() == other.verdicts()
    assert one.warehouse_state() == other.warehouse_state()
    assert one.warehouse_parts() == other.warehouse_parts()
    assert one.feature_state_names() == other.feature_state_names()
    for name in one.feature_state_names():
        assert one.get_feature_state(name) == other.get_feature_state(name)
    for manifest in one.manifests():
        (ours, linked), (theirs, links) = (store.stored(manifest.batch_id) for store in (one, other))
        assert ours.sort_by("_id").equals(theirs.sort_by("_id")), manifest.batch_id
        assert linked == links, manifest.batch_id
    ours, theirs = (
        sorted(id_ for piece in store.scan(["_id"]) for id_ in piece["_id"].to_pylist()) for store in (one, other)
    )
    assert ours == theirs
    for part in one.warehouse_parts():
        assert one.warehouse(parts=[part]).equals(other.warehouse(parts=[part])), part


def named(url: str, database: str) -> str:
    """The URL with the name of a database."""
    address, _, options = url.partition("?")
    return f"{address.rstrip('/')}/{database}" + (f"?{options}" if options else "")
