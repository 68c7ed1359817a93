"""`python -m benchmarks.faults [NAME ...] [--quick] [--json]`: prints the table; the exit code is 1 unless all is well.

A NAME chooses the kinds that it is a part of, such as `flips` or `kill`.
"""

from __future__ import annotations

import argparse
import json
import sys

# Each adds its kinds to the list; this order is that of the table.
from benchmarks.faults import (  # noqa: F401
    disk,
    feed,
    files,
    kills,
    outages,
    registry,
    requests,
    runs,
    stored_bytes,
    whole_platform,
)
from benchmarks.faults.table import FAULTS, as_objects, in_words, run


def main(arguments: list[str] | None = None) -> int:
    """Inject the chosen faults and print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of the names of the kinds to inject; all by default")
    parser.add_argument("--quick", action="store_true", help="each kind once, without those that take long")
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")
    chosen = parser.parse_args(arguments)
    kinds = [
        kind
        for kind in FAULTS
        if (kind.quick or not chosen.quick) and (not chosen.names or any(name in kind.name for name in chosen.names))
    ]
    if not kinds:
        parser.error(f"no kind has one of these names; there are: {', '.join(kind.name for kind in FAULTS)}")
    rows = run(kinds, once=chosen.quick)
    print(json.dumps(as_objects(rows), indent=1) if chosen.json else in_words(rows))
    for row in rows:
        for note in row.notes if not row.good else []:
            print(f"{row.fault}: {note}", file=sys.stderr)
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
