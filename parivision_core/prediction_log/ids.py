"""Ids of calls, UUIDs of version 7: sorted by them, calls are sorted by time; and the names of predictions."""

from __future__ import annotations

import os
import secrets
import threading
import time
import uuid

_COUNTER_BITS = 26
_NODE_BITS = 74 - _COUNTER_BITS
_MOST = (1 << _COUNTER_BITS) - 1


class Ids:
    """Makes UUIDv7 (RFC 9562, section 6.2, method 1): a millisecond, a counter of 26 bits, 48 random bits per process.

    Ids of one process ascend strictly, even when its clock is set back; those of several processes differ in the random
    bits.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reseed()

    def reseed(self) -> None:
        """Draw new random bits, as a forked child process must."""
        self._node = f"{secrets.randbits(_NODE_BITS):012x}"
        self._last = 0

    def new(self) -> str:
        """The next id, in the usual 36 characters."""
        with self._lock:
            # Milliseconds and counter are one number, so that a full counter runs over into the next millisecond.
            self._last = moment = max(time.time_ns() // 1_000_000 << _COUNTER_BITS, self._last + 1)
            node = self._node
        milliseconds, count = moment >> _COUNTER_BITS, moment & _MOST
        # 12 bits of the counter follow the version, and 14 the two bits of the variant.
        first, last = f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}", f"{0x8000 | count & 0x3FFF:04x}-{node}"
        return f"{first}-7{count >> 14:03x}-{last}"


_ids = Ids()
os.register_at_fork(after_in_child=_ids.reseed)
new_id = _ids.new


def made_at(prediction_id: str) -> int:
    """Milliseconds since 1970 at which an id was made.

    Raises ValueError for a text that is no UUID of version 7.
    """
    parsed = uuid.UUID(prediction_id)
    if parsed.version != 7:
        raise ValueError(f"{prediction_id} is a UUID of version {parsed.version}, not 7")
    return parsed.int >> 80


def name_of(call_id: str, row: int | None) -> str:
    """Name of the prediction of a single shot, or of a row of a bulk request."""
    return call_id if row is None else f"{call_id}:{row}"


def parts_of(name: str) -> tuple[str, int | None]:
    """Call id and row in a prediction's name; the row is None for a single shot.

    Raises ValueError for a text that is no such name.
    """
    call_id, colon, row = name.partition(":")
    return call_id, int(row) if colon else None


def first_at(moment: int) -> str:
    """The lowest possible id of a millisecond since 1970; ids from it on are of that moment or later."""
    return str(uuid.UUID(int=moment << 80 | 0x7 << 76 | 0b10 << 62))
