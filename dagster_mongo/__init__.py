"""MongoDB for Dagster: a resource that gives a pooled pymongo client or database, and checks the database's health."""

from dagster_shared.libraries import DagsterLibraryRegistry

from dagster_mongo.errors import MongoConfigError, MongoUnavailableError
from dagster_mongo.health import MongoHealth
from dagster_mongo.pools import close_clients
from dagster_mongo.resource import MongoResource
from dagster_mongo.version import __version__

# Every integration registers itself. This one isn't released together with Dagster, so the versions aren't compared.
DagsterLibraryRegistry.register("dagster-mongo", __version__, is_dagster_package=False)

__all__ = ["MongoConfigError", "MongoHealth", "MongoResource", "MongoUnavailableError", "__version__", "close_clients"]
