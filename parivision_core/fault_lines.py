"""Shortens the output of runs that fail for a reason in words: the message is shown once, without a stack trace.

Dagster prints such a failure for the step and again for the run, each time with a stack that only shows Dagster and
PariVision.
"""

from __future__ import annotations

import re
from typing import TextIO

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_FAILURE = "dagster._core.definitions.events.Failure: "
"""How the message begins of a failure that is raised on purpose, with all that a person needs."""
_RESOURCE = "dagster._core.errors.DagsterResourceFunctionError: "
"""The same of one of a resource, whose cause follows after a stack of Dagster's."""
_STACK = "Stack Trace:"
_FOLLOWED = re.compile("The above exception (was caused by|occurred during handling of) the following exception:")
_RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:")
"""The start of Dagster's next line."""


class FaultLines:
    """Follows the lines of one program and decides which of them to drop."""

    def __init__(self) -> None:
        self._fault = ""
        """Which of the two kinds of failure is the latest."""
        self._messages: dict[str, str] = {}
        """The latest message of each kind."""
        self._inside = self._begun = self._cause = False
        """Whether the lines belong to a failure, whether the stack after its message has begun, and whether they are
        the message of its cause, which may have many lines."""

    def drops(self, line: str) -> bool:
        """Whether the next line is part of such a stack or repeats the latest failure."""
        plain = _ANSI.sub("", line).rstrip()
        for kind in (_FAILURE, _RESOURCE):
            if plain.startswith(kind):
                repeated = plain == self._messages.get(kind)
                self._fault, self._messages[kind] = kind, plain
                self._inside, self._begun, self._cause = True, False, False
                return repeated
        if not self._inside:
            return False
        if _FOLLOWED.match(plain):
            self._cause = self._fault == _FAILURE
            return True
        head = plain == _STACK
        self._begun = head or self._begun
        if self._cause and not _RECORD.match(plain):
            self._cause = not head
            return True
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
