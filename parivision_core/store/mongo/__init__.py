"""The store on MongoDB: documents in collections; the one document whose write makes a batch or a warehouse exist."""

from __future__ import annotations

from parivision_core.store.mongo.connection import connect, reach
from parivision_core.store.mongo.store import MongoStore

__all__ = ["MongoStore", "connect", "reach"]
