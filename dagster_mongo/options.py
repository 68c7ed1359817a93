"""From the fields of the resource to the options of MongoClient, with precedence where the URL sets the same option.

A field that was set wins over the URL, and the URL wins over the defaults. An unset field is None: Dagster creates a
resource again from its values when a run starts, so pydantic's record of the fields that were set is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo.errors import PyMongoError
from pymongo.uri_parser import validate_options

from dagster_mongo.errors import MongoConfigError
from dagster_mongo.url import ParsedUrl

NAMES = {
    "tls": "tls",
    "tls_ca_file": "tlsCAFile",
    "tls_certificate_key_file": "tlsCertificateKeyFile",
    "server_selection_timeout_ms": "serverSelectionTimeoutMS",
    "connect_timeout_ms": "connectTimeoutMS",
    "socket_timeout_ms": "socketTimeoutMS",
    "retry_writes": "retryWrites",
    "write_concern": "w",
    "write_concern_timeout_ms": "wTimeoutMS",
    "journal": "journal",
    "max_pool_size": "maxPoolSize",
    "app_name": "appname",
}
"""Each field, and the option that it sets."""

DEFAULTS: Mapping[str, Any] = {
    "server_selection_timeout_ms": 10_000,
    "connect_timeout_ms": 10_000,
    "socket_timeout_ms": 120_000,
    "retry_writes": True,
    "write_concern": "majority",
    "write_concern_timeout_ms": 60_000,
    "app_name": "dagster",
}
"""Used where neither a field nor the URL sets the option; the other options have pymongo's own defaults."""


def client_options(fields: Mapping[str, Any], url: ParsedUrl) -> dict[str, Any]:
    """The keyword options for MongoClient. Raises MongoConfigError for a value that pymongo doesn't take."""
    chosen = {}
    for field, option in NAMES.items():
        value = fields.get(field)
        if value is None and option.lower() not in url.options:
            value = DEFAULTS.get(field)
        if value is not None:
            chosen[field] = value
    for field, value in chosen.items():
        _validate(field, value)
    if "tls" in chosen and "ssl" in url.options:
        raise MongoConfigError("The MongoDB URL has the option ssl, and tls is set as well. Remove one of the two.")
    return {NAMES[field]: value for field, value in chosen.items()}


def _validate(field: str, value: Any) -> None:
    if field in ("tls_ca_file", "tls_certificate_key_file"):
        return  # pymongo opens the files when it creates a client, perhaps on another machine
    try:
        validate_options({NAMES[field]: str(value).lower() if isinstance(value, bool) else str(value)})
        return
    except (PyMongoError, ValueError, TypeError) as error:
        reason = str(error)
    raise MongoConfigError(f"MongoResource can't use {field}={value!r}: {reason.rstrip('.')}.")
