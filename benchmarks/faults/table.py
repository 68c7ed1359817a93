"""The list of faults, and the runner that injects them and adds up what came of them."""

from __future__ import annotations

import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.faults import shared
from benchmarks.faults.outcome import Outcome

MOST_TIMES = 10
"""No kind is tried more often, so that no cheap one carries the total."""
BUDGET_SECONDS = 1800.0
"""What isn't tried within this time isn't tried at all, which the table says, and the exit code."""


Inject = Callable[[Path, int], Outcome]
"""Injects a fault in an empty folder. The number, from 0, seeds everything that is drawn."""


@dataclass(frozen=True)
class Fault:
    """A kind of fault."""

    name: str
    times: int
    inject: Inject
    quick: bool = True
    """Whether `--quick` injects it once; others take processes or minutes."""


FAULTS: list[Fault] = []
"""All kinds, in the order in which they are injected."""


def fault(times: int, name: str = "", *, quick: bool = True) -> Callable[[Inject], Inject]:
    """Add a kind to the list; without a name, that of its function with spaces."""

    def add(inject: Inject) -> Inject:
        assert times <= MOST_TIMES
        FAULTS.append(Fault(name or inject.__name__.replace("_", " "), times, inject, quick))
        return inject

    return add


@dataclass
class Row:
    """The sums of one kind."""

    fault: str
    planned: int
    times: int = 0
    lost: int = 0
    doubled: int = 0
    failed: int = 0
    reported: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing was lost, doubled or failed, and each fault was tried and reported."""
        return self.reported == self.times == self.planned and not (self.lost or self.doubled or self.failed)


def run(faults: Sequence[Fault], *, once: bool) -> list[Row]:
    """Inject the faults in a temporary folder, each kind as often as it says or once."""
    began, rows = time.monotonic(), []
    with shared.opened(), tempfile.TemporaryDirectory(prefix="faults-") as folder:
        Path(folder).chmod(0o755)  # some faults take the superuser's rights from a process, which must read it
        for number, kind in enumerate(faults, start=1):
            rows.append(row := Row(kind.name, 1 if once else kind.times))
            for seed in range(row.planned):
                if time.monotonic() - began > BUDGET_SECONDS:
                    break
                (here := Path(folder) / f"{number}-{seed}").mkdir()
                _add(row, _injected(kind, here, seed))
            state = "" if row.good else f"  NOT GOOD {row.notes[:2]}"
            print(f"{time.monotonic() - began:5.0f} s  {number}/{len(faults)} {kind.name}{state}", file=sys.stderr)
    return rows


def _injected(kind: Fault, folder: Path, seed: int) -> Outcome:
    try:
        return kind.inject(folder, seed)
    except Exception:
        return Outcome(reported=False, note=traceback.format_exc(limit=-3))


def _add(row: Row, outcome: Outcome) -> None:
    row.times += 1
    row.lost += outcome.lost
    row.doubled += outcome.doubled
    row.failed += outcome.failed
    row.reported += outcome.reported
    row.notes += [outcome.note] if outcome.note else []


def totals(rows: Sequence[Row]) -> dict[str, int]:
    """The sums over all kinds."""
    return {
        "faults": sum(row.times for row in rows),
        "kinds": len(rows),
        "lost": sum(row.lost for row in rows),
        "doubled": sum(row.doubled for row in rows),
        "failed": sum(row.failed for row in rows),
        "not_reported": sum(row.times - row.reported for row in rows),
        "not_tried": sum(row.planned - row.times for row in rows),
    }


def in_words(rows: Sequence[Row]) -> str:
    """The table in Markdown, and a last line with the totals."""
    lines = ["| fault | times | lost | doubled | failed requests | reported |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        reported = "yes" if row.reported == row.times else f"{row.reported} of {row.times}"
        lines.append(f"| {row.fault} | {row.times} | {row.lost} | {row.doubled} | {row.failed} | {reported} |")
    t = totals(rows)
    last = (
        f"{t['faults']} faults of {t['kinds']} kinds: {t['lost']} lost, {t['doubled']} doubled, {t['failed']} failed "
        f"requests, {t['not_reported']} not reported"
    )
    return "\n".join([*lines, "", last + (f", {t['not_tried']} NOT TRIED" if t["not_tried"] else "")])


def as_objects(rows: Sequence[Row]) -> dict[str, object]:
    """The same for programs."""
    return {"kinds": [asdict(row) for row in rows], "totals": totals(rows)}
