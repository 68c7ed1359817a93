"""Parsing URLs: their parts are found, mistakes are reported, and no part of a password shows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dagster_mongo.errors import MongoConfigError
from dagster_mongo.url import parse
from tests.dagster_mongo.conftest import ENCODED, PASSWORD


@pytest.mark.parametrize(
    ("url", "address", "database"),
    [
        ("mongodb://localhost", "localhost:27017", None),
        ("mongodb://localhost/", "localhost:27017", None),
        ("  mongodb://db.example.com:27018/shots\n", "db.example.com:27018", "shots"),
        (f"mongodb://ann:{ENCODED}@one:1,two:2/shots?authSource=admin", "one:1,two:2", "shots"),
        ("mongodb://[::1]:27017/shots.things", "[::1]:27017", "shots"),
        ("mongodb://%2Ftmp%2Fmongodb-27017.sock/shots", "/tmp/mongodb-27017.sock", "shots"),
        ("mongodb://host?tls=true", "host:27017", None),
        (f"mongodb+srv://ann:{ENCODED}@cluster.example.com/shots?w=1", "cluster.example.com", "shots"),
    ],
)
def test_address_and_database_are_found(url: str, address: str, database: str | None) -> None:
    parsed = parse(url)
    assert (parsed.address, parsed.database) == (address, database)


def test_options_are_known_by_lower_case_names() -> None:
    options = parse("mongodb://host/?retryWrites=false&W=1&appName=me%40home").options
    assert options == {"retrywrites": "false", "w": "1", "appname": "me@home"}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "is empty"),
        ("  \n", "is empty"),
        ("postgres://host/db", "unknown scheme 'postgres://'"),
        ("localhost:27017", "unknown scheme"),
        ("mongodb://", "host"),
        ("mongodb://host:port/", "host"),
        ("mongodb://one,,two/", "host"),
        ("mongodb+srv://cluster.example.com:27017/", "one name without a port"),
        ("mongodb+srv://one.example.com,two.example.com/", "one name without a port"),
        ("mongodb://host/bad$name", "database name"),
        ("mongodb://host/?tls=ture", "tls"),
        ("mongodb://host/?tlz=true", "tlz"),
        ("mongodb://host/?connectTimeoutMS=soon", "connecttimeoutms"),
        ("mongodb://host/?nonsense", "key=value"),
        ("mongodb://host/?ssl=true&tls=false", "conflicting"),
    ],
)
def test_a_mistake_is_reported(url: str, message: str) -> None:
    with pytest.raises(MongoConfigError, match=r"MongoDB URL|database name") as caught:
        parse(url)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        f"mongodb://ann:{PASSWORD}@host:27017/db",
        "mongodb://ann:12/s3cret@host:27017/db",
        "mongodb://ann:12?s3cret@host:27017/db",
        "mongodb://ann:s3cret#1@@host/db",
        "mongodb://ann:s3cret%zz@host/db",
        "mongodb://ann:s3cret:more@host/db",
        "mongodb://ann:pass@s3cret/word@host",
        "ann:s3cret://host",
        f"mongodb://ann:{ENCODED}@host:port/db",
        f"mongodb://ann:{ENCODED}@host/db?tls=ture",
        f"mongodb://ann:{ENCODED}@host/db?tls=true&tlsCertificateKeyFilePassword={ENCODED}&w=-1",
        f"mongodb://ann@host/db?authMechanismProperties=NO_SUCH:{ENCODED}",
    ],
)
def test_no_password_shows(url: str, keeps_secret: Callable[[BaseException], None]) -> None:
    with pytest.raises(MongoConfigError) as caught:
        parse(url)
    keeps_secret(caught.value)
    assert any(word in str(caught.value) for word in ("Percent-encode", "options", "scheme"))
