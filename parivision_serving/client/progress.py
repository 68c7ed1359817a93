"""Progress of a file: a bar on a terminal, and a line now and then elsewhere."""

from __future__ import annotations

import shutil
import time
from typing import TextIO

BAR = 24
TERMINAL_SECONDS, LINE_SECONDS = 0.1, 10.0


class ProgressBar:
    """Shows how many rows are done; nothing when `out` is None."""

    def __init__(self, out: TextIO | None, total: int) -> None:
        self._out, self._total = out, total
        self._terminal = bool(out and out.isatty())
        self._every = TERMINAL_SECONDS if self._terminal else LINE_SECONDS
        self._began = self._shown = time.monotonic()
        self.done = 0

    def reach(self, row: int) -> None:
        """All rows up to this one are done; show it if it is time."""
        self.done = row
        if time.monotonic() - self._shown >= self._every:
            self._show()

    def note(self, message: str) -> None:
        """Print a message on a line of its own."""
        if self._out:
            print(f"{_CLEAR if self._terminal else ''}{message}", file=self._out, flush=True)

    def close(self) -> None:
        """Clear the bar from the terminal's line."""
        if self._out and self._terminal:
            print(_CLEAR, end="", file=self._out, flush=True)

    def _show(self) -> None:
        self._shown = now = time.monotonic()
        share = min(self.done / self._total, 1.0) if self._total else 0.0
        rate = self.done / max(now - self._began, 1e-9)
        line = f"{self.done:,} of {max(self._total, self.done):,} rows, {rate:,.0f} a second"
        if self._out and self._terminal:
            filled = round(BAR * share)
            line = f"[{'#' * filled}{'.' * (BAR - filled)}] {share:4.0%}  {line}"
            print(f"{_CLEAR}{line[: shutil.get_terminal_size().columns - 1]}", end="", file=self._out, flush=True)
        elif self._out:
            print(line, file=self._out, flush=True)


_CLEAR = "\r\x1b[K"
