"""The resource in Dagster: runs, environment variables, precedence of options, and early reports of mistakes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.write_concern import WriteConcern

import dagster_mongo
from dagster_mongo import MongoConfigError, MongoResource
from tests.dagster_mongo.conftest import ENCODED
from tests.helpers.scripted_server import ScriptedServer

NOWHERE = "mongodb://127.0.0.1:1/shots"  # no command is sent there


@pytest.fixture
def client_of() -> Callable[..., MongoClient[dict[str, Any]]]:
    """The client that a resource gives."""

    def give(**fields: Any) -> MongoClient[dict[str, Any]]:
        with MongoResource(**{"url": NOWHERE, **fields}).get_client() as client:
            return client

    return give


@pytest.fixture
def variable(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of an environment variable that isn't set."""
    name = f"MONGO_{uuid.uuid4().hex.upper()}"
    yield name
    monkeypatch.delenv(name, raising=False)


@dg.asset
def written(mongo: MongoResource) -> None:
    with mongo.get_database() as database:
        database["readings"].insert_many([{"_id": "a", "celsius": 20}, {"_id": "b", "celsius": 22}], ordered=False)


@dg.asset(deps=[written])
def warmest(mongo: MongoResource) -> dg.MaterializeResult[Any]:
    with mongo.get_database() as database:
        found = database["readings"].find_one({}, sort=[("celsius", -1)])
    assert found is not None
    return dg.MaterializeResult(metadata={"id": found["_id"]})


def test_assets_write_and_read_in_a_run(
    mongo_server: str, mongo_database: Database[dict[str, Any]], variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, mongo_server)
    mongo = MongoResource(url=dg.EnvVar(variable), database=mongo_database.name)
    done = dg.materialize([written, warmest], resources={"mongo": mongo})
    assert done.success
    assert done.asset_materializations_for_node("warmest")[0].metadata["id"].value == "b"
    assert mongo_database["readings"].count_documents({}) == 2


def test_configured_at_launch(mongo_server: str, mongo_database: Database[dict[str, Any]]) -> None:
    config = {"resources": {"mongo": {"config": {"url": mongo_server, "database": mongo_database.name}}}}
    done = dg.materialize([written], resources={"mongo": MongoResource.configure_at_launch()}, run_config=config)
    assert done.success
    assert mongo_database["readings"].count_documents({}) == 2


def test_numbers_come_from_variables_too(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "77")
    mongo = MongoResource(url=NOWHERE, max_pool_size=dg.EnvVar.int(variable))
    with mongo.get_client() as client:
        assert client.options.pool_options.max_pool_size == 77


def test_a_variable_works_outside_a_run(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mongo = MongoResource(url=dg.EnvVar(variable))
    with pytest.raises(MongoConfigError, match=variable), mongo.get_client():
        pass
    monkeypatch.setenv(variable, "")
    with pytest.raises(MongoConfigError, match="is empty"), mongo.get_client():
        pass
    monkeypatch.setenv(variable, NOWHERE)
    with mongo.get_database() as database:
        assert database.name == "shots"


def test_a_run_reports_a_wrong_url_before_any_asset_runs(
    variable: str, monkeypatch: pytest.MonkeyPatch, keeps_secret: Callable[[BaseException], None]
) -> None:
    monkeypatch.setenv(variable, f"mongo://ann:{ENCODED}@host")
    with pytest.raises(dg.DagsterResourceFunctionError) as caught:
        dg.materialize([written], resources={"mongo": MongoResource(url=dg.EnvVar(variable))})
    assert isinstance(caught.value.__cause__, MongoConfigError)
    keeps_secret(caught.value)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"url": ""}, "is empty"),
        ({"url": "http://host"}, "mongodb://"),
        ({"database": "a/b"}, "can't hold"),
        ({"write_concern": "-3"}, "write_concern"),
        ({"connect_timeout_ms": -1}, "connect_timeout_ms"),
        ({"max_pool_size": -1}, "max_pool_size"),
        ({"url": "mongodb://host/?ssl=true", "tls": False}, "ssl"),
    ],
)
def test_mistakes_raise_when_the_code_is_loaded(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(MongoConfigError, match=says):
        MongoResource(**{"url": NOWHERE, **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"tls_ca_file": "/etc/hosts"},  # without tls
        {"tls": True, "tls_ca_file": "/no/such/file"},
        {"write_concern": "0", "journal": True},
        {"url": "mongodb://one,two/?directConnection=true"},
    ],
)
def test_mistakes_that_only_pymongo_finds_raise_before_a_connection(fields: dict[str, Any]) -> None:
    mongo = MongoResource(**{"url": NOWHERE, **fields})
    with pytest.raises(MongoConfigError, match="can't use this configuration"), mongo.get_client():
        pass


def test_the_password_shows_nowhere(keeps_secret: Callable[[BaseException], None]) -> None:
    url = f"mongodb://ann:{ENCODED}@127.0.0.1:1/shots"
    mongo = MongoResource(url=url)
    with mongo.get_client() as client:
        printed = [repr(mongo), str(mongo), repr(mongo._settings()), repr(client)]
    assert "ann" not in "".join(printed)
    for wrong in ({"url": [url]}, {"url": url, "max_pool_size": url}, {"url": url, "uri": url}):
        with pytest.raises(Exception) as caught:
            MongoResource(**wrong)
        keeps_secret(caught.value)
    with pytest.raises(MongoConfigError) as refused, MongoResource(url=url, tls_ca_file="/x").get_client():
        pass
    keeps_secret(refused.value)


def test_dagster_sees_only_the_name_of_the_variable(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, f"mongodb://ann:{ENCODED}@host/")
    definition = MongoResource(url=dg.EnvVar(variable)).get_resource_definition()
    shown = str(definition.config_schema.as_field().default_value)
    assert variable in shown
    assert ENCODED not in shown


def test_database_by_argument_then_field_then_url() -> None:
    both = MongoResource(url=NOWHERE, database="of_the_field")
    with both.get_database("of_the_argument") as database:
        assert database.name == "of_the_argument"
    with both.get_database() as database:
        assert database.name == "of_the_field"
    with MongoResource(url=NOWHERE).get_database() as database:
        assert database.name == "shots"


@pytest.mark.parametrize(("name", "says"), [(None, "No database is named"), ("a b", "can't hold")])
def test_no_usable_database_name(name: str | None, says: str) -> None:
    with pytest.raises(MongoConfigError, match=says), MongoResource(url="mongodb://host").get_database(name):
        pass


def test_defaults(client_of: Callable[..., MongoClient[dict[str, Any]]]) -> None:
    options = client_of().options
    assert options.server_selection_timeout == 10
    assert options.pool_options.connect_timeout == 10
    assert options.pool_options.socket_timeout == 120
    assert options.retry_writes is True
    assert options.write_concern == WriteConcern(w="majority", wtimeout=60_000)
    assert options.pool_options.appname == "dagster"


def test_the_url_wins_over_defaults(client_of: Callable[..., MongoClient[dict[str, Any]]]) -> None:
    query = "serverSelectionTimeoutMS=1000&CONNECTTIMEOUTMS=2000&socketTimeoutMS=3000&retryWrites=false&w=2&appname=x"
    options = client_of(url=f"{NOWHERE}?{query}").options
    assert options.server_selection_timeout == 1
    assert options.pool_options.connect_timeout == 2
    assert options.pool_options.socket_timeout == 3
    assert options.retry_writes is False
    assert options.write_concern == WriteConcern(w=2, wtimeout=60_000)
    assert options.pool_options.appname == "x"


def test_fields_win_over_the_url(client_of: Callable[..., MongoClient[dict[str, Any]]]) -> None:
    options = client_of(
        url=f"{NOWHERE}?serverSelectionTimeoutMS=1000&w=2&journal=false&maxPoolSize=3&retryWrites=false&tls=true",
        server_selection_timeout_ms=10_000,  # the same as the default, and yet set
        write_concern="majority",
        journal=True,
        max_pool_size=5,
        retry_writes=True,
        tls=False,
    ).options
    assert options.server_selection_timeout == 10
    assert options.write_concern == WriteConcern(w="majority", wtimeout=60_000, j=True)
    assert options.pool_options.max_pool_size == 5
    assert options.retry_writes is True
    assert options.pool_options._ssl_context is None


def test_a_set_field_still_wins_inside_a_run() -> None:
    """Dagster creates the resource again there."""
    seen = []

    @dg.asset
    def options_seen(mongo: MongoResource) -> None:
        with mongo.get_client() as client:
            seen.append((client.options.server_selection_timeout, client.options.write_concern.document))

    mongo = MongoResource(url=f"{NOWHERE}?serverSelectionTimeoutMS=1000&w=2", server_selection_timeout_ms=10_000)
    assert dg.materialize([options_seen], resources={"mongo": mongo}).success
    assert seen == [(10, {"w": 2, "wtimeout": 60_000})]


def test_write_concern_reaches_the_server() -> None:
    with ScriptedServer() as server:
        server.fault("insert", reply={"ok": 1, "n": 1})
        with MongoResource(url=server.url, database="d", write_concern="1", journal=True).get_database() as database:
            database["c"].insert_one({"_id": "a"})
        insert = next(command for command in server.commands if command.name == "insert")
        assert insert.document["writeConcern"] == {"w": 1, "j": True, "wtimeout": 60_000}
        named = [c.document["client"]["application"]["name"] for c in server.commands if "client" in c.document]
        assert set(named) == {"dagster"}


def test_every_field_is_described() -> None:
    assert all(field.description for field in MongoResource.model_fields.values())


def test_it_is_registered_with_dagster_without_a_warning() -> None:
    from dagster_shared.libraries import DagsterLibraryRegistry

    assert DagsterLibraryRegistry.get()["dagster-mongo"] == dagster_mongo.__version__ == "0.1.0"
