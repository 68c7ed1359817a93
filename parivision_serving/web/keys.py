"""API keys: hashed, named, with scopes, revoked while the service runs; `make keys` adds, lists and revokes them.

A key is 256 random bits, so that a plain sha256 keeps it: there is nothing to guess that a slow hash would protect.
"""

from __future__ import annotations

import argparse
import hashlib
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from parivision_core.checksums import crc_of
from parivision_core.problems import ConfigurationError, PariVisionError
from parivision_core.records import now_ms
from parivision_core.rights import keep_private
from parivision_serving.settings import ServiceSettings

Scope = Literal["read", "predict", "admin"]
READ, PREDICT, ADMIN = SCOPES = ("read", "predict", "admin")
LOOK_SECONDS = 1.0
"""How often the file is looked at: a revoked key works for so long."""
ENVIRONMENT = "environment"
"""Name of the key in PARIVISION_API_KEY."""


class Key(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key as the file holds it: its hash, never the key itself."""

    name: str
    scopes: tuple[Scope, ...]
    """read: read what is known; predict: ask for predictions too; admin: delete as well."""
    sha256: str
    created_at: int
    """Milliseconds since 1970."""
    crc32: int | None = None
    """Checksum of the other fields; None in files of earlier versions."""

    @property
    def checksum(self) -> int:
        """What `crc32` must be."""
        return crc_of(self.name, *self.scopes, self.sha256, self.created_at)


class Caller(msgspec.Struct, frozen=True):
    """The caller of a request: the name of its key and the key's scopes."""

    name: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Whether the caller has a scope, or one that includes it."""
        return not self.scopes.isdisjoint(SCOPES[SCOPES.index(scope) :])


ANONYMOUS = Caller("", frozenset({ADMIN}))
"""A caller without a key, where none is needed."""


class Keys:
    """The keys in a file, which is read again when it changes, and the key in PARIVISION_API_KEY."""

    def __init__(self, path: Path, from_environment: str = "") -> None:
        self._path = path
        self._given = {_hash(from_environment): Caller(ENVIRONMENT, frozenset({ADMIN}))} if from_environment else {}
        self._callers = self._given
        self._stamp: tuple[int, int, int] | None = None
        self._look_at = 0.0

    def caller(self, key: str) -> Caller | None:
        """The caller that a key belongs to; None for an unknown or revoked key.

        Raises ConfigurationError when the file can't be read, so that no key is accepted by mistake.
        """
        now = time.monotonic()
        if now >= self._look_at:
            self._refresh()
            self._look_at = now + LOOK_SECONDS
        return self._callers.get(_hash(key))

    def any(self) -> bool:
        """Whether there is a key at all; raises ConfigurationError as `caller` does."""
        self._refresh()
        return bool(self._callers)

    def _refresh(self) -> None:
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        except FileNotFoundError:
            stamp = None
        if stamp != self._stamp:
            self._callers = self._given | {
                key.sha256: Caller(key.name, frozenset(key.scopes)) for key in read(self._path)
            }
            self._stamp = stamp


def read(path: Path) -> list[Key]:
    """The keys in a file; none if there is no file.

    Raises ConfigurationError for a file that can't be read or holds no list of keys.
    """
    try:
        keys = msgspec.json.decode(path.read_bytes(), type=list[Key])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigurationError(f"the API keys in {path} can't be read: {error}; repair or remove the file") from error
    if changed := [key.name for key in keys if key.crc32 not in (None, key.checksum)]:
        raise ConfigurationError(
            f"the API keys in {path} are damaged or were changed by hand ({', '.join(changed)}); restore "
            "the file from a backup, or remove these keys from it and add new ones"
        )
    return keys


def add(path: Path, name: str, scopes: Sequence[Scope]) -> str:
    """Make a key and add its hash to the file; returns the key, which can't be read again.

    Raises ConfigurationError for a name that is taken or empty.
    """
    keys = read(path)
    if not name or name == ENVIRONMENT or any(key.name == name for key in keys):
        raise ConfigurationError(f"{name!r} can't name a new key: it is taken or empty; revoke the old one first")
    key = f"pv_{secrets.token_urlsafe(32)}"
    made = Key(name=name, scopes=tuple(scopes), sha256=_hash(key), created_at=now_ms())
    _write(path, [*keys, msgspec.structs.replace(made, crc32=made.checksum)])
    return key


def revoke(path: Path, name: str) -> None:
    """Remove a key from the file; a running service refuses it a second later.

    Raises ConfigurationError when no key has this name.
    """
    keys = read(path)
    left = [key for key in keys if key.name != name]
    if len(left) == len(keys):
        raise ConfigurationError(f"there is no key {name!r} in {path}; known are {_names(keys)}")
    _write(path, left)


def _write(path: Path, keys: list[Key]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)  # one that an interrupted write left may have other rights
    partial.touch(mode=0o600)
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(keys), indent=1))
    partial.replace(path)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _names(keys: Sequence[Key]) -> str:
    return ", ".join(key.name for key in keys) or "none"


def _scopes(text: str) -> list[str]:
    chosen = text.split(",")
    if unknown := set(chosen) - set(SCOPES):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: known are {', '.join(SCOPES)}")
    return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    """Add, list or revoke API keys; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m parivision_serving.web.keys", description="API keys of this service."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    adding = commands.add_parser("add", help="make a key and show it, once")
    adding.add_argument("name", help="name of the key's user")
    adding.add_argument(
        "--scopes", type=_scopes, default=[PREDICT], help=f"some of {','.join(SCOPES)}; by default {PREDICT}"
    )
    commands.add_parser("list", help="names and scopes of the keys")
    revoking = commands.add_parser("revoke", help="refuse a key from now on")
    revoking.add_argument("name", help="name of the key")
    chosen = parser.parse_args(arguments)
    try:
        path = ServiceSettings.from_env().api_keys
        if chosen.command == "add":
            print(add(path, chosen.name, chosen.scopes))
            print("Send it as the header X-API-Key. It can't be shown again.", file=sys.stderr)
        elif chosen.command == "revoke":
            revoke(path, chosen.name)
        else:
            for key in read(path):
                print(f"{key.name}\t{','.join(key.scopes)}")
    except PariVisionError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    keep_private()
    sys.exit(main())
