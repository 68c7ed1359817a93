"""MongoResource: a MongoDB for assets, ops, sensors and checks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import ConfigDict, Field
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import ConfigurationError, PyMongoError

from dagster_mongo.diagnosis import diagnose, is_lookup_error
from dagster_mongo.errors import MongoConfigError
from dagster_mongo.health import MongoHealth, measure
from dagster_mongo.options import NAMES, client_options
from dagster_mongo.pools import client_for
from dagster_mongo.url import ParsedUrl, checked_name, parse


@dataclass(frozen=True)
class _Settings:
    """The configuration, parsed and validated."""

    url: str = field(repr=False)
    parsed: ParsedUrl
    options: dict[str, Any]
    database: str | None


class MongoResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """A MongoDB database, through one shared pool of connections per process and configuration.

    Give `url` as `dg.EnvVar("...")`: Dagster's pages then show the variable's name, not its value. A field that is set
    here wins over the same option in the URL's query string, and that wins over the default named at the field.

    .. code-block:: python

        @dg.asset
        def readings(mongo: MongoResource) -> None:
            with mongo.get_database() as database:
                database["readings"].insert_one({"_id": "1", "celsius": 21})

        dg.Definitions(assets=[readings], resources={"mongo": MongoResource(url=dg.EnvVar("MONGO_URL"))})
    """

    model_config = ConfigDict(
        extra="forbid",  # otherwise a misspelt field would silently leave the default
        hide_input_in_errors=True,  # the input may be a URL with a password
    )

    url: str = Field(
        repr=False,
        description="mongodb://user:password@host:27017/database or mongodb+srv://...; best given as dg.EnvVar, so "
        "that the password shows nowhere.",
    )
    database: str | None = Field(
        default=None, description="Name of the database. Default: the one in the URL's path, if there is one."
    )
    tls: bool | None = Field(
        default=None, description="Encrypt connections. Default: no, except with mongodb+srv:// URLs."
    )
    tls_ca_file: str | None = Field(
        default=None,
        description="PEM file with the authorities whose signature on the server's certificate is trusted. "
        "Default: those of the operating system. Needs tls.",
    )
    tls_certificate_key_file: str | None = Field(
        default=None, description="PEM file with this client's certificate and private key. Needs tls."
    )
    server_selection_timeout_ms: int | None = Field(
        default=None, description="Milliseconds to wait for a server that can take the command. Default: 10000."
    )
    connect_timeout_ms: int | None = Field(
        default=None, description="Milliseconds to wait for one connection to open. Default: 10000."
    )
    socket_timeout_ms: int | None = Field(
        default=None, description="Milliseconds to wait for the answer to one command. Default: 120000."
    )
    retry_writes: bool | None = Field(
        default=None, description="Repeat a write once when the connection broke. Default: true."
    )
    write_concern: str | None = Field(
        default=None,
        description="Which members must have a write before it counts: 'majority', a number such as '1', or a tag. "
        "Default: majority.",
    )
    write_concern_timeout_ms: int | None = Field(
        default=None, description="Milliseconds to wait until those have it. Default: 60000."
    )
    journal: bool | None = Field(
        default=None, description="Whether a write counts only once it is in the journal. Default: the server's."
    )
    max_pool_size: int | None = Field(
        default=None, description="Most connections that this process opens to one server. Default: 100."
    )
    app_name: str | None = Field(
        default=None, description="How the server's log and currentOp name this client. Default: dagster."
    )

    if not TYPE_CHECKING:  # type checkers should see the fields instead of **data

        def __init__(self, **data: Any) -> None:
            super().__init__(**data)
            if not any(_is_variable(getattr(self, name)) for name in ("url", "database", *NAMES)):
                self._settings()  # raises for a mistake now instead of in the first run

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Check the configuration when a run starts. Raises MongoConfigError. Opens no connection."""
        self._settings()

    @contextmanager
    def get_client(self) -> Iterator[MongoClient[dict[str, Any]]]:
        """The client of this process for this configuration; the same one for every resource, op and thread.

        It stays open after the block, and `close()` doesn't close it: see `close_clients`. A forked process must take
        a client of its own. Nothing is sent to a server yet; a mongodb+srv:// name is looked up.

        Raises MongoConfigError when the configuration can't be used, and MongoUnavailableError when the name in a
        mongodb+srv:// URL can't be resolved. Errors of commands are pymongo's own.
        """
        yield self._client(self._settings())

    @contextmanager
    def get_database(self, name: str | None = None) -> Iterator[Database[dict[str, Any]]]:
        """The database `name`, by default that of the field `database`, and then that of the URL's path.

        Raises what `get_client` raises, and MongoConfigError when no database is named or the name isn't allowed.
        """
        settings = self._settings()
        chosen = checked_name(name) if name else settings.database
        if chosen is None:
            raise MongoConfigError(
                "No database is named. Set MongoResource(database=...), end the URL's path with it "
                "(mongodb://host:27017/database), or call get_database with a name."
            )
        yield self._client(settings)[chosen]

    def check(self, *, collection: str = "health") -> MongoHealth:
        """Ask the server for its identity, and read at most one document of a collection.

        The collection needn't exist; name one that the user may read, if the user may not read all. Without a
        configured database nothing is read. It ends within the sum of `server_selection_timeout_ms` and
        `connect_timeout_ms`.

        Raises MongoUnavailableError with reason and advice when the database can't be used, and MongoConfigError when
        the configuration can't be used.
        """
        settings = self._settings()
        client = self._client(settings)
        try:
            return measure(client, settings.database, collection)
        except PyMongoError as error:
            raise diagnose(error, settings.parsed.address, client.topology_description) from error

    def _settings(self) -> _Settings:
        url = _value_of(self.url)
        parsed = parse(url)
        options = client_options({name: _value_of(getattr(self, name)) for name in NAMES}, parsed)
        database = _value_of(self.database)
        return _Settings(url.strip(), parsed, options, checked_name(database) if database else parsed.database)

    def _client(self, settings: _Settings) -> MongoClient[dict[str, Any]]:
        try:
            return client_for(settings.url, settings.options)
        except ConfigurationError as error:
            if is_lookup_error(error):
                raise diagnose(error, settings.parsed.address) from error
            reason = settings.parsed.scrubbed(str(error))
        except (PyMongoError, ValueError, TypeError, OSError) as error:
            reason = settings.parsed.scrubbed(str(error))
        raise MongoConfigError(f"MongoClient can't use this configuration: {reason.rstrip('.')}.")


def _is_variable(value: Any) -> bool:
    """Whether a field holds an environment variable (dg.EnvVar) instead of a value."""
    return hasattr(value, "get_value")


def _value_of(value: Any) -> Any:
    """A field's value; outside a run, Dagster hasn't replaced an environment variable by its value yet."""
    if not _is_variable(value):
        return value
    found = value.get_value()
    if found is None:
        name = getattr(value, "env_var_name", None) or value.name
        raise MongoConfigError(f"The environment variable {name} isn't set, and MongoResource takes a value from it.")
    return found
