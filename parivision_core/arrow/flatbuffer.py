"""Reads flatbuffers, the format of Arrow's metadata, from unchecked bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator


class FlatbufferError(ValueError):
    """An offset or a size points outside the bytes."""


class FlatTable:
    """A table in a flatbuffer; slots are numbered as in the schema's declaration, a union taking two."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._slots = at - self._read("<i", at)
        self._end = self._slots + self._read("<H", self._slots)

    @classmethod
    def root(cls, data: bytes) -> FlatTable:
        """The root table."""
        return cls(data, _read(data, "<I", 0))

    def number(self, slot: int, code: str, default: int = 0) -> int:
        """A number in a slot, by its `struct` code; the default where it was left out."""
        place = self._place(slot)
        return self._read(f"<{code}", place) if place else default

    def table(self, slot: int) -> FlatTable | None:
        """The table in a slot; None where there is none."""
        place = self._place(slot)
        return FlatTable(self._data, place + self._read("<I", place)) if place else None

    def text(self, slot: int, longest: int) -> str:
        """The text in a slot, of at most so many bytes; empty where there is none."""
        start, size = self._vector(slot, 1)
        if size > longest:  # offsets may overlap, so that a small file could name many long texts
            raise FlatbufferError(f"a name has {size} bytes; at most {longest} are read")
        try:
            return self._data[start : start + size].decode()
        except UnicodeDecodeError as error:
            raise FlatbufferError(f"a name is no UTF-8: {error}") from None

    def tables(self, slot: int) -> Iterator[FlatTable]:
        """The tables of a vector in a slot."""
        start, size = self._vector(slot, 4)
        for place in range(start, start + 4 * size, 4):
            yield FlatTable(self._data, place + self._read("<I", place))

    def numbers(self, slot: int) -> list[int]:
        """The 64-bit integers of a vector in a slot."""
        start, size = self._vector(slot, 8)
        return [number for (number,) in struct.iter_unpack("<q", self._data[start : start + 8 * size])]

    def pairs(self, slot: int) -> list[tuple[int, int]]:
        """The structs of two 64-bit integers of a vector in a slot."""
        start, size = self._vector(slot, 16)
        return list(struct.iter_unpack("<qq", self._data[start : start + 16 * size]))

    def _place(self, slot: int) -> int:
        entry = self._slots + 4 + 2 * slot
        offset = self._read("<H", entry) if entry + 2 <= self._end else 0
        return self._at + offset if offset else 0

    def _vector(self, slot: int, width: int) -> tuple[int, int]:
        place = self._place(slot)
        if not place:
            return 0, 0
        start = place + self._read("<I", place)
        size = self._read("<I", start)
        if start + 4 + width * size > len(self._data):
            raise FlatbufferError("a vector points outside its metadata")
        return start + 4, size

    def _read(self, code: str, at: int) -> int:
        return _read(self._data, code, at)


def _read(data: bytes, code: str, at: int) -> int:
    if at < 0 or at + struct.calcsize(code) > len(data):
        raise FlatbufferError("an offset points outside its metadata")
    number: int = struct.unpack_from(code, data, at)[0]
    return number
