"""Checksums (CRC-32) of what is stored: a byte that changed on a disk must be an error, and never another value."""

from __future__ import annotations

import re
import sqlite3
from zlib import crc32

import msgspec

_MARK = b"\xc1"
"""Begins bytes with a checksum. No MessagePack value begins with it, so that bytes of earlier versions differ."""
_CRC_BYTES = 4
_NAMED = re.compile(rb',"crc32":"([0-9a-f]{8})"\}\s*')

_encode = msgspec.msgpack.Encoder().encode


class DamagedError(ValueError):
    """Stored bytes aren't those that were written."""


def crc_of(*values: str | int | bytes | None) -> int:
    """The checksum of a row's values."""
    return crc32(_encode(values))


def damage_of(db: sqlite3.Connection) -> list[str]:
    """What doesn't fit together in the pages of an SQLite file, up to three findings; reads the whole file."""
    found = [text for (text,) in db.execute("PRAGMA integrity_check(3)")]
    return [] if found == ["ok"] else found or ["SQLite's check has no result"]


def sealed(data: bytes) -> bytes:
    """Bytes together with their checksum."""
    return _MARK + crc32(data).to_bytes(_CRC_BYTES, "big") + data


def unsealed(stored: bytes) -> bytes:
    """The bytes that were sealed, or as they are if an earlier version wrote them without a checksum.

    Raises DamagedError when they were changed.
    """
    if stored[:1] != _MARK:
        return stored
    start = 1 + _CRC_BYTES
    data = stored[start:]
    if crc32(data) != int.from_bytes(stored[1:start], "big"):
        raise DamagedError("its checksum differs")
    return data


def sealed_json(document: bytes) -> bytes:
    """A JSON object with its checksum as a last field, `crc32`."""
    return b'%s,"crc32":"%08x"}' % (document[:-1], crc32(document))


def unsealed_json(stored: bytes) -> bytes:
    """The JSON object that was sealed, or as it is if it has no checksum, as those of earlier versions.

    Raises DamagedError when it was changed.
    """
    found = _NAMED.search(stored)
    if found is None:
        return stored
    document = stored[: found.start()] + b"}"
    if found.end() != len(stored) or crc32(document) != int(found[1], 16):
        raise DamagedError("its checksum differs")
    return document
