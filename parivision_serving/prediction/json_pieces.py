"""Cuts a JSON array into pieces of whole elements, so that a large body is never decoded at once.

Decoding holds the interpreter's lock, for which single predictions wait; and a body of nothing but `1,1,1` would fill a
hundred times its size of memory before its rows could be counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

PIECE_BYTES = 128 * 1024

_ESCAPE = re.compile(rb"\\.", re.DOTALL)


def pieces(body: bytes, size: int = PIECE_BYTES) -> Iterator[tuple[int, bytes]]:
    """Pieces of a JSON array, each an array itself, of about `size` bytes, with the byte at which each begins.

    The body is cut at commas between its elements and not checked otherwise. It is a JSON array exactly if all pieces
    are JSON arrays, and none of several pieces is empty.
    """
    start, depth, inside = body.find(b"[") + 1, 0, False
    at = 0
    while at < len(body):
        end = min(at + size, len(body))
        while end < len(body) and body[end - 1] == ord("\\"):  # an escape isn't cut in two
            end += 1
        cut, depth, inside = _last_cut(body[at:end], depth, inside)
        if cut >= 0 and end < len(body):
            yield start, b"[%b]" % body[start : at + cut]
            start = at + cut + 1
        at = end
    yield start, b"[%b" % body[start:]


def _last_cut(block: bytes, depth: int, inside: bool) -> tuple[int, int, bool]:
    """Place of the last comma between elements, -1 without one; depth and whether in a string after the block."""
    if b"\\" in block:
        block = _ESCAPE.sub(b"__", block)
    letters = np.frombuffer(block, np.uint8)
    folded = letters | 0x20  # { and [ differ only by this bit, and so do } and ]
    at = np.flatnonzero((letters == ord('"')) | (letters == ord(",")) | (folded == ord("{")) | (folded == ord("}")))
    if not len(at):
        return -1, depth, inside
    found, folded = letters[at], folded[at]
    # Only the last bit counts, so that the sum may overflow.
    in_string = ((np.cumsum(found == ord('"'), dtype=np.uint8) + inside) & 1).astype(np.bool_)
    opens, closes = (folded == ord("{")) & ~in_string, (folded == ord("}")) & ~in_string
    depths = depth + np.cumsum(opens.view(np.int8) - closes.view(np.int8), dtype=np.int32)
    cuts = at[(found == ord(",")) & ~in_string & (depths == 1)]
    return (int(cuts[-1]) if len(cuts) else -1), int(depths[-1]), bool(in_string[-1])
