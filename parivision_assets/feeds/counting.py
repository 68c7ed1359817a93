"""Counts the rows of a text in pieces, by other means than the readers, which the count holds to account.

It runs before a text is read, and refuses one that is beyond the limits as soon as it comes to the place.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from parivision_assets.feeds.limits import check_rows
from parivision_core.problems import BatchError

BOM = b"\xef\xbb\xbf"
PIECE = 1 << 18
"""Bytes that are counted at once: less than LONGEST_LINE, so that no line within a piece can be too long."""

_SPACE = b" \t\v\f"
_MARKED = bytes(ord("\n" if byte in b"\r\n" else "x") for byte in range(256))
_CONTENT = bytes(byte for byte in range(256) if byte not in b'"{}[],')
_TEXT = re.compile(rb'"[^"]*"')


class RowCount(ABC):
    """The rows of a text that comes in pieces."""

    def __init__(self, name: str) -> None:
        """`name` is shown in messages."""
        self._name = name

    @property
    @abstractmethod
    def rows(self) -> int:
        """Rows of the pieces so far."""

    @abstractmethod
    def add(self, piece: bytes) -> None:
        """Count the next piece, of at most PIECE bytes. Raises BatchError when a bound is exceeded."""

    def of(self, data: bytes) -> int:
        """The rows of a whole text."""
        for start in range(0, len(data), PIECE):
            self.add(data[start : start + PIECE])
        return self.rows


class LineCount(RowCount):
    r"""Lines that aren't blank; a line ends with \n, \r or both."""

    def __init__(self, name: str, longest: int | None = None) -> None:
        """`longest` bounds a line, in bytes."""
        super().__init__(name)
        self._longest = longest
        self._rows = self._lines = 0
        self._open = 0
        """Bytes so far of the line that no piece has ended yet."""
        self._begun: bool | None = None
        """Whether that line holds more than space; None before the first piece."""
        self._half = False
        """Whether they end with a carriage return, whose line feed may follow."""

    @property
    def rows(self) -> int:
        """See RowCount."""
        return self._rows

    def add(self, piece: bytes) -> None:
        """See RowCount."""
        if self._begun is None:
            piece, self._begun = piece.removeprefix(BOM), False
        feed, carriage = piece.find(b"\n"), piece.find(b"\r")
        first = min(at for at in (feed, carriage, len(piece)) if at >= 0)
        if self._longest is not None and self._open + first > self._longest:
            raise BatchError(
                f"line {self._lines + 1:,} of {self._name} is longer than {self._longest:,} bytes; each row must be "
                "a line of its own"
            )
        last = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
        self._open = len(piece) - 1 - last if last >= 0 else self._open + len(piece)
        pairs = piece.count(b"\r\n") + (self._half and feed == 0) if carriage >= 0 or self._half else 0
        self._half = piece.endswith(b"\r")
        parts = piece.translate(_MARKED, _SPACE).split(b"\n")
        self._lines += len(parts) - 1 - pairs
        check_rows(self._name, self._lines, "lines")
        self._rows += len(parts) - parts.count(b"") - (self._begun and parts[0] != b"")
        self._begun = parts[-1] != b"" or (self._begun and len(parts) == 1)


class ElementCount(RowCount):
    """Elements of one JSON list, also where some of them aren't JSON: commas outside of texts and inner brackets."""

    def __init__(self, name: str) -> None:
        """See RowCount."""
        super().__init__(name)
        self._commas = 0
        self._depth = 0
        self._in_text = False
        self._held = b""
        """A backslash at the end of a piece, which belongs to the next one's first byte."""
        self._end = b""
        """The last two bytes that are no space."""

    @property
    def rows(self) -> int:
        """See RowCount. A comma after the last element, which isn't JSON, begins no other."""
        return self._commas + 1 - (self._end in (b",]", b"[]"))

    def add(self, piece: bytes) -> None:
        """See RowCount."""
        import numpy as np

        piece = self._held + piece
        body = piece.rstrip(b"\\")
        self._held = b"\\" * ((len(piece) - len(body)) % 2)
        if shown := piece.rstrip():
            self._end = (shown[:-1].rstrip() or self._end)[-1:] + shown[-1:]
        if b"\\" in body:
            body = body.replace(rb"\\", b"").replace(rb"\"", b"")
        # Texts without a bracket or a comma are two quotes now and vanish; the few others are cut out one by one.
        signs = b'"' * self._in_text + body.translate(None, _CONTENT)
        signs, quote, _ = _TEXT.sub(b"", signs.replace(b'""', b"")).partition(b'"')
        self._in_text = bool(quote)
        codes = np.frombuffer(signs, np.uint8)
        if not len(codes):
            return
        opening = (codes == ord("[")) | (codes == ord("{"))
        closing = (codes == ord("]")) | (codes == ord("}"))
        depths = self._depth + np.cumsum(opening.astype(np.int64) - closing)
        self._depth = int(depths[-1])
        self._commas += int(np.count_nonzero((codes == ord(",")) & (depths == 1)))
        check_rows(self._name, self._commas, "elements")
