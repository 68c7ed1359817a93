"""The output of `make up`: each line with the time and the name of the service that wrote it, in honcho's format."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from queue import Empty, SimpleQueue

from honcho.colour import get_colours
from honcho.printer import Message, Printer

from deploy.service import Line
from parivision_core.fault_lines import FaultLines

LAUNCHER = "parivision"
_RUN = re.compile(rb"^\S+ \S+ \S+ - dagster - (?P<level>[A-Z]+) - \S+ - [0-9a-f]{8}-[0-9a-f-]{27} - ")
"""The start of a line that is logged within a run. It is cut off: Dagster's page shows time, job and run anyway."""
_NOISE = re.compile(
    rb"updated partitions, exceeding the maximum of 100 for per-partition timestamp fetching"
    rb"|^Registry store URI not provided|^\[MLflow\] Security middleware enabled"
    rb"|Starting a new mlflow run with id [0-9a-f]+ in experiment"
    rb"| - Dependencies for step \S+ (failed|were not executed): \["
)
"""Lines that need no attention: Dagster's note on ranges of more than 100 partitions, whose timestamps aren't used
here; MLflow's notes on intended settings; the id of an MLflow run, to which Dagster's page links; and for each step
after a failed one, that it wasn't run."""
_QUIT = re.compile(rb" \(Press CTRL\+C to quit\)")
"""Uvicorn's hint, which is wrong here: Ctrl-C ends all services, not only this one."""
_ANSI = re.compile(rb"\x1b\[[0-9;]*m")


class TerminalLog:
    """Prints the lines of all services and of the launcher; nothing else writes to the terminal while they run."""

    def __init__(self) -> None:
        self.lines: SimpleQueue[Line] = SimpleQueue()
        self._printer = Printer(sys.stdout, width=len(LAUNCHER))
        self._colours = get_colours()
        self._colour_of: dict[str, str] = {}
        self._faults: defaultdict[str, FaultLines] = defaultdict(FaultLines)
        self.quiet = False
        """Whether lines of services are dropped: a run that is interrupted writes pages of stack traces."""
        self.hides: Callable[[str], bool] = lambda _name: False
        """Whether a line of a service is dropped, for reasons that lie outside of it."""

    def say(self, text: str) -> None:
        """Print a line of the launcher itself."""
        self._write(LAUNCHER, text, None)

    def show(self, wait: float = 0.0) -> None:
        """Print the lines that have arrived, waiting up to `wait` seconds for the first."""
        try:
            name, line = self.lines.get(timeout=wait) if wait else self.lines.get_nowait()
            while True:
                dropped = self._faults[name].drops(line.decode(errors="replace"))
                if not (self.quiet or dropped or _NOISE.search(line) or self.hides(name)):
                    if name not in self._colour_of:
                        self._colour_of[name] = next(self._colours)
                    self._write(name, _short(line), self._colour_of[name])
                name, line = self.lines.get_nowait()
        except Empty:
            pass

    def _write(self, name: str, data: str | bytes, colour: str | None) -> None:
        self._printer.write(Message(type="line", data=data, time=datetime.now(), name=name, colour=colour))


def _short(line: bytes) -> bytes:
    line = _QUIT.sub(b"", line)
    plain = _ANSI.sub(b"", line)
    if found := _RUN.match(plain):
        return (b"" if found["level"] == b"INFO" else found["level"] + b" ") + plain[found.end() :]
    # Dagster colours its lines even when they go to a file.
    return line if sys.stdout.isatty() else plain
