"""The store on MongoDB. A batch, and the warehouse, come into existence by the write of a single document."""

from __future__ import annotations

from parivision_core.store.mongo.connection import connect, reach
from parivision_core.store.mongo.store import MongoStore

__all__ = ["MongoStore", "connect", "reach"]
