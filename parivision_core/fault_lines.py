"""Shortens the output of runs that fail because of their input: the message is shown once, without a stack trace.

Dagster prints such a failure for the step and again for the run, each time with a stack that only shows Dagster and
PariVision.
"""

from __future__ import annotations

import re
from typing import TextIO

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_FAILURE = "dagster._core.definitions.events.Failure: "
"""How the message begins of a failure that is raised on purpose, because the input is at fault."""
_STACK = "Stack Trace:"


class FaultLines:
    """Follows the lines of one program and decides which of them to drop."""

    def __init__(self) -> None:
        self._fault = ""
        """Message of the latest failure."""
        self._inside = self._begun = False
        """Whether the lines belong to a failure, and whether the stack after its message has begun."""

    def drops(self, line: str) -> bool:
        """Whether the next line is part of such a stack or repeats the latest failure."""
        plain = _ANSI.sub("", line).rstrip()
        if plain.startswith(_FAILURE):
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
    """A text stream without those lines, for `contextlib.redirect_stderr`; each write holds whole lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._lines = stream, FaultLines()

    def write(self, text: str) -> int:
        """Write the lines that aren't dropped."""
        for line in text.splitlines(keepends=True):
            if not self._lines.drops(line):
                self._stream.write(line)
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Whether the stream is a terminal, which shows colours."""
        return self._stream.isatty()
