"""Reads the columns of an Arrow record batch from the buffers of its body, none of which is trusted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from parivision_core.arrays import Array, Bools

LONGEST_TEXT = 100
"""Bytes; no field of a request takes a longer text, and no answer should repeat one."""

NULL, INTEGER, FLOAT, TEXT, BOOLEAN, LARGE_TEXT, TEXT_VIEW = 1, 2, 3, 5, 6, 20, 24
"""Arrow's numbers of the supported types."""
_VIEW = np.dtype([("size", "<i4"), ("prefix", "V4"), ("buffer", "<i4"), ("start", "<i4")])
"""Where a text lies; one of up to _INLINE bytes lies in the view itself, after its size."""
_INLINE = 12


class StreamError(ValueError):
    """The bytes are no Arrow stream, or one that isn't supported; the message says why."""


class ColumnError(StreamError):
    """A column can't be read; `column` names it."""

    def __init__(self, column: str, message: str) -> None:
        self.column, self.message = column, message
        super().__init__(f"{column}: {message}")


@dataclass(frozen=True)
class Type:
    """How the values of a column lie in the body."""

    number: int
    dtype: np.dtype[Any] | None = None
    """Of numbers; None for other types."""


@dataclass(frozen=True)
class Column:
    """One column of n rows."""

    kind: Literal["number", "yes or no", "text", "nothing"]
    values: Array
    """Numbers or truth values (n,); for text, the index of each row's word."""
    known: Bools | None = None
    """Which rows have a value, (n,); None when all have."""
    words: Sequence[str] = ()
    """The texts that a column of text may hold."""

    def value(self, row: int) -> Any:
        """A row's value as a number, a bool or a text; None where there is none."""
        if self.known is not None and not self.known[row]:
            return None
        value = self.values[row].item()
        return self.words[value] if self.kind == "text" else value

    def at(self, rows: Column) -> Column:
        """The values at the rows that a column of indices names.

        Raises IndexError for a row that doesn't exist.
        """
        known = rows.known if rows.known is not None else np.ones(len(rows.values), dtype=np.bool_)
        if not len(self.values):
            if known.any():
                raise IndexError
            return replace(self, values=np.zeros(len(known), dtype=self.values.dtype), known=known)
        index = np.where(known, rows.values, 0)
        if len(index) and (index.min() < 0 or index.max() >= len(self.values)):
            raise IndexError
        # Checked above, so that no index overflows the narrower type.
        index = index.astype(np.int64)
        if self.known is not None:
            known = known & self.known[index]
        return replace(self, values=self.values[index], known=None if known.all() else known)


class Body:
    """The body of one record batch, from which columns are taken one after the other."""

    def __init__(
        self, body: memoryview, rows: int, nodes: Sequence[tuple[int, int]], buffers: Sequence[tuple[int, int]]
    ) -> None:
        self._body, self._rows = body, rows
        self._nodes, self._buffers = iter(nodes), iter(buffers)

    def take(self, name: str, of: Type, views: int = 0) -> Column:
        """The next column; `views` is how many buffers of text its views refer to.

        Raises ColumnError when a buffer is missing, lies outside the body or is inconsistent.
        """
        try:
            return self._take(of, views)
        except StopIteration:
            raise ColumnError(name, "its buffers are missing") from None
        except _DamageError as error:
            raise ColumnError(name, str(error)) from None

    def _take(self, of: Type, views: int) -> Column:
        rows, _ = next(self._nodes)
        if rows != self._rows:
            raise _DamageError("it has another length than its batch")
        if of.number == NULL:
            return Column("nothing", np.zeros(rows), np.zeros(rows, dtype=np.bool_))
        known = self._bits(optional=True)
        if of.number == BOOLEAN:
            return Column("yes or no", self._bits(), known)
        if of.dtype is not None:
            return Column("number", self._array(of.dtype, rows), known)
        return self._text(of, known, views)

    def _buffer(self) -> memoryview:
        start, size = next(self._buffers)
        if start < 0 or size < 0 or start + size > len(self._body):
            raise _DamageError("a buffer lies outside its message")
        return self._body[start : start + size]

    def _array(self, dtype: np.dtype[Any], rows: int) -> Array:
        buffer = self._buffer()
        if len(buffer) < rows * dtype.itemsize:
            raise _DamageError("a buffer is shorter than its batch")
        return np.frombuffer(buffer, dtype, rows)

    def _bits(self, optional: bool = False) -> Any:
        buffer = self._buffer()
        if optional and not len(buffer):
            return None
        if 8 * len(buffer) < self._rows:
            raise _DamageError("a buffer is shorter than its batch")
        packed = np.frombuffer(buffer, np.uint8)
        return np.unpackbits(packed, count=self._rows, bitorder="little").astype(np.bool_)

    def _text(self, of: Type, known: Bools | None, views: int) -> Column:
        texts = self._viewed(views, known) if of.number == TEXT_VIEW else self._sliced(of.number, known)
        words: dict[bytes, int] = {}
        rows = np.array([words.setdefault(text, len(words)) for text in texts], dtype=np.int64)
        try:
            return Column("text", rows, known, [word.decode() for word in words])
        except UnicodeDecodeError as error:
            raise _DamageError(f"it holds a text that is no UTF-8: {error}") from None

    def _sliced(self, number: int, known: Bools | None) -> Iterator[bytes]:
        width = np.dtype("<i8" if number == LARGE_TEXT else "<i4")
        # A column without rows may leave out its first offset too.
        bounds = self._array(width, self._rows + 1) if self._rows else np.zeros(1, dtype=width)
        data = self._buffer().tobytes()
        sizes = np.diff(bounds)
        if (sizes < 0).any() or bounds[0] < 0 or bounds[-1] > len(data):
            raise _DamageError("a text lies outside its buffer")
        _check_lengths(sizes, known)
        starts = bounds.tolist()
        if known is None:
            return (data[start:stop] for start, stop in pairwise(starts))
        return (data[a:b] if one else b"" for (a, b), one in zip(pairwise(starts), known.tolist(), strict=True))

    def _viewed(self, views: int, known: Bools | None) -> Iterator[bytes]:
        view = self._array(_VIEW, self._rows)
        raw = view.tobytes()
        buffers = [self._buffer() for _ in range(views)]
        sizes = view["size"].astype(np.int64)
        if known is not None:
            sizes = np.where(known, sizes, 0)
        _check_lengths(sizes, None)
        if (sizes < 0).any():
            raise _DamageError("a text lies outside its buffer")

        def text(row: int, size: int) -> bytes:
            if size <= _INLINE:
                return raw[16 * row + 4 : 16 * row + 4 + size]
            number, start = int(view["buffer"][row]), int(view["start"][row])
            if not (0 <= number < views and 0 <= start <= len(buffers[number]) - size):
                raise _DamageError("a text lies outside its buffer")
            return bytes(buffers[number][start : start + size])

        return (text(row, size) for row, size in enumerate(sizes.tolist()))


def _check_lengths(sizes: Array, known: Bools | None) -> None:
    longest = int(np.max(sizes if known is None else np.where(known, sizes, 0), initial=0))
    if longest > LONGEST_TEXT:
        raise _DamageError(f"it holds a text of {longest} bytes; no field takes more than {LONGEST_TEXT}")


class _DamageError(ValueError):
    """What is wrong with a column."""
