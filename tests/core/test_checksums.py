"""Whatever is sealed comes back, and nothing else does."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parivision_core.checksums import DamagedError, crc_of, sealed, sealed_json, unsealed, unsealed_json


@given(data=st.binary(), place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_sealed_bytes_come_back_or_are_refused(data: bytes, place: int, bit: int) -> None:
    stored = bytearray(sealed(data))
    assert unsealed(bytes(stored)) == data
    place = 1 + place % (len(stored) - 1)  # without its first byte these are bytes of an earlier version
    stored[place] ^= 1 << bit
    with pytest.raises(DamagedError):
        unsealed(bytes(stored))


@given(document=st.dictionaries(st.text(), st.integers() | st.text(), min_size=1), place=st.integers(min_value=0))
def test_sealed_json_comes_back_or_is_refused(document: dict[str, int | str], place: int) -> None:
    stored = sealed_json(msgspec.json.encode(document))
    assert msgspec.json.decode(stored).keys() == {*document, "crc32"}  # still JSON for other programs
    assert msgspec.json.decode(unsealed_json(stored)) == document
    at = place % len(stored)
    damaged = stored[:at] + bytes((stored[at] ^ 4,)) + stored[at + 1 :]
    try:
        found = msgspec.json.decode(unsealed_json(damaged))
    except (DamagedError, msgspec.DecodeError, UnicodeDecodeError):
        return
    assert {name: found[name] for name in document} == document  # the name of the checksum itself was changed


def test_bytes_of_earlier_versions_are_taken_as_they_are() -> None:
    assert unsealed(msgspec.msgpack.encode({"a": 1})) == msgspec.msgpack.encode({"a": 1})
    assert unsealed_json(b'{"a":1}') == b'{"a":1}'


def test_the_checksum_tells_values_apart() -> None:
    assert (
        len({crc_of("a", 1), crc_of("a1"), crc_of("a", "1"), crc_of(b"a", 1), crc_of(1, "a"), crc_of("a", None)}) == 6
    )
