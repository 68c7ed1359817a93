"""Parses a MongoDB URL without using the network and without showing a secret.

pymongo's parser resolves the names of mongodb+srv:// at once, and its messages quote parts of the URL: a password with
an unescaped character would show. Hence this module uses its building blocks, each with a message of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_userinfo, split_hosts, split_options

from dagster_mongo.errors import MongoConfigError

EXAMPLE = "mongodb://user:password@host:27017/database"
ENCODE = "Percent-encode special characters in user name and password (urllib.parse.quote_plus)"
_SECRET_OPTIONS = {"tlscertificatekeyfilepassword", "authmechanismproperties", "proxypassword", "proxyusername"}


@dataclass(frozen=True)
class ParsedUrl:
    """The parts of a URL."""

    address: str
    """host:port of each server, joined with commas; for mongodb+srv:// the name that is looked up."""
    database: str | None
    """The database of the path, if there is one."""
    options: Mapping[str, Any] = field(repr=False)
    """The options of the query string, by their names in lower case."""
    secrets: tuple[str, ...] = field(repr=False)
    """Parts that must not show, not even where a debugger prints local variables."""

    def scrubbed(self, text: str) -> str:
        """The text with every secret replaced."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text


def parse(url: str) -> ParsedUrl:
    """Parse a URL. Raises MongoConfigError, whose message contains no part of the URL that might be secret."""
    if not url.strip():
        raise MongoConfigError(
            "The MongoDB URL is empty. If it comes from an environment variable, set that variable for this process, "
            f"for example to {EXAMPLE}."
        )
    scheme, _, rest = url.strip().partition("://")
    if scheme not in ("mongodb", "mongodb+srv"):
        named = f" '{scheme}://'" if rest and re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme) else ""
        raise MongoConfigError(
            f"The MongoDB URL has the unknown scheme{named}: it must start with mongodb:// or mongodb+srv://, for "
            f"example {EXAMPLE}."
        )
    before, _, query = rest.partition("?")
    authority, _, path = before.partition("/")
    userinfo, at, hosts = authority.rpartition("@")
    if "@" in path or (not at and "@" in query):  # part of a password would be read as host, database or options
        raise MongoConfigError(f"The MongoDB URL has an '@' after the host. {ENCODE}.")
    secrets = _secrets_of(userinfo, query)
    return ParsedUrl(_address(hosts, scheme, userinfo), _database(path), _options(query, secrets), secrets)


def _address(hosts: str, scheme: str, userinfo: str) -> str:
    try:
        if userinfo:
            parse_userinfo(userinfo)
    except (PyMongoError, ValueError):
        invalid = True
    else:
        invalid = False
    if invalid:  # raised outside the handler, so that pymongo's own message isn't printed too
        raise MongoConfigError(f"The user name and password in the MongoDB URL can't be read. {ENCODE}.")
    try:
        nodes = split_hosts(hosts, default_port=None if scheme == "mongodb+srv" else 27017)
    except (PyMongoError, ValueError):
        nodes = []
    if not nodes or (scheme == "mongodb+srv" and (len(nodes) > 1 or nodes[0][1] is not None)):
        shape = "one name without a port" if scheme == "mongodb+srv" else "host:port, several separated by commas"
        raise MongoConfigError(f"The host in the MongoDB URL can't be read: {scheme}:// takes {shape}. {ENCODE}.")
    return ",".join(formatted(node) for node in nodes)


def formatted(node: tuple[str, int | None]) -> str:
    """host:port, [host]:port for IPv6, or the path of a socket."""
    host, port = node
    if port is None:
        return unquote_plus(host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _database(path: str) -> str | None:
    name = unquote_plus(path).partition(".")[0]
    return checked_name(name) if name else None


def checked_name(name: str) -> str:
    """The name of a database, if MongoDB allows it. Raises MongoConfigError."""
    if re.search(r'[/\\. "$\0]', name):  # the message doesn't quote it: in a malformed URL it may be anything
        raise MongoConfigError("A database name can't hold any of / \\ . \" $, a space or a null character; one does.")
    return name


def _options(query: str, secrets: tuple[str, ...]) -> dict[str, Any]:
    """Stricter than MongoClient, which ignores invalid options: `tls=ture` would send the password unencrypted."""
    if not query:
        return {}
    try:
        split_options(query, validate=True, warn=False)
        return {name.lower(): value for name, value in split_options(query, validate=False, normalize=False).items()}
    except (PyMongoError, ValueError, TypeError, OSError) as error:
        reason = ParsedUrl("", None, {}, secrets).scrubbed(str(error))
    raise MongoConfigError(f"The options in the MongoDB URL can't be used: {reason.rstrip('.')}.")


def _secrets_of(userinfo: str, query: str) -> tuple[str, ...]:
    pieces = {userinfo, userinfo.partition(":")[2]}
    for pair in re.split("[&;]", query):
        name, _, value = pair.partition("=")
        if name.lower() in _SECRET_OPTIONS:
            pieces.add(value)
    return tuple({*pieces, *(unquote_plus(piece) for piece in pieces)} - {""})
