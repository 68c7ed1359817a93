"""Splitting a file into JSON documents, even when some of them are broken."""

from __future__ import annotations

import re

import msgspec

from parivision_assets.feeds.base import Grain
from parivision_core.problems import BatchError

EXPECTED = "expected is one list of objects, an object for each shot, or one object a line (JSON Lines)"

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_FLAT_OBJECT = rb'\{(?:[^"{}\[\]]++|' + _STRING + rb")*+\}"
_TOKEN = re.compile(_FLAT_OBJECT + rb"|" + _STRING + rb'|[\[\]{},"]', re.DOTALL)

_document = msgspec.json.Decoder(msgspec.Raw)
_elements = msgspec.json.Decoder(list[msgspec.Raw])


def split(name: str, data: bytes, *, lines: bool) -> tuple[list[bytes], Grain]:
    """The text of each document of a file: a list's elements, the lines of JSON Lines, or the one that fills the file.

    The content decides which of these it is; where it leaves that open, `lines` does. Raises BatchError when the file
    is empty, isn't UTF-8, or when its list is cut off, because the end of its last document is unknown then.
    """
    data = data.removeprefix(b"\xef\xbb\xbf").strip()
    if not data:
        raise BatchError(f"{name} is empty")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]:
        raise BatchError(f"{name} is not UTF-8 text; save it in UTF-8")
    listed = data[:1] == b"["
    if listed:
        try:
            return [bytes(element) for element in _elements.decode(data)], "element"
        except (msgspec.MsgspecError, RecursionError):  # some element isn't JSON: its row will be reported alone
            pass
    each_line = [line.strip() for line in data.splitlines() if line.strip()]
    objects = sum(line[:1] == b"{" and line[-1:] == b"}" for line in each_line)
    # A list may also have one object a line; its first line isn't a document then.
    if 2 * objects >= len(each_line) and (lines or not listed or _is_complete(each_line[0])):
        return each_line, "line"
    if listed:
        return _by_brackets(name, data), "element"
    return (each_line, "line") if lines else ([data], "content")


def _is_complete(text: bytes) -> bool:
    try:
        _document.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def _by_brackets(name: str, data: bytes) -> list[bytes]:
    """A list's elements, split by quotes, brackets and commas alone."""
    found: list[bytes] = []
    depth = start = 0
    for token in _TOKEN.finditer(data):
        sign = data[token.start() : token.end()] if token.end() - token.start() == 1 else b""
        if sign in (b"[", b"{"):
            depth += 1
            start = token.end() if depth == 1 else start
        elif sign in (b"]", b"}", b",") and depth == 1:
            found.append(data[start : token.start()].strip())
            start = token.end()
        if sign in (b"]", b"}"):
            depth -= 1
        if depth == 0 or sign == b'"':  # the list ends here, or is cut off within a text
            break
    if depth:
        raise BatchError(f"{name} is cut off or damaged: nothing ends its list after row {len(found)}; copy it again")
    if data[start:].strip():
        raise BatchError(f"{name} goes on after its list has ended with row {len(found)}; {EXPECTED}")
    return found if found[-1] else found[:-1]  # a comma after the last one
