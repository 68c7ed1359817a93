"""What a person reads of a run that an input brought to a red end: its words once, and not the stack under them."""

from __future__ import annotations

import re
from typing import TextIO

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_AT_FAULT = "dagster._core.definitions.events.Failure: "
"""How a run ends whose input is at fault. The words behind it say all; the stack under them is Dagster's and ours."""
_STACK = "Stack Trace:"


class FaultLines:
    """Follows the lines of one program and tells which of them to drop."""

    def __init__(self) -> None:
        self._fault = ""
        self._inside = self._begun = False
        """Whether the lines belong to a fault, and whether the stack under its words has begun."""

    def drops(self, line: str) -> bool:
        """Whether the next line is part of such a stack, or repeats the latest fault: Dagster tells of step and run."""
        plain = _ANSI.sub("", line).rstrip()
        if plain.startswith(_AT_FAULT):
            repeated, self._fault = plain == self._fault, plain
            self._inside, self._begun = True, False
            return repeated
        if not self._inside:
            return False
        head = plain == _STACK
        self._begun = head or self._begun
        if self._begun and (head or not plain or plain.startswith("  ")):
            return True
        self._inside = not self._begun
        return False


class FaultStream:
    """A text stream without those lines, for `contextlib.redirect_stderr`; each write is of whole lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._lines = stream, FaultLines()

    def write(self, text: str) -> int:
        """Pass on what isn't dropped."""
        for line in text.splitlines(keepends=True):
            if not self._lines.drops(line):
                self._stream.write(line)
        return len(text)

    def flush(self) -> None:
        """As of any stream."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Whether colours are welcome."""
        return self._stream.isatty()
