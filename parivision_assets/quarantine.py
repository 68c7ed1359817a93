"""What was kept out of the lake, and why: `python -m parivision_assets.quarantine [--batch ID] [--raw]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from parivision_core.nba import NBA
from parivision_core.problems import PariVisionError
from parivision_core.settings import Settings
from parivision_core.store import open_store
from parivision_core.store.base import Store


def report(store: Store, batch: str | None = None, *, raw: bool = False) -> list[str]:
    """Lines for a person: each quarantined row with its reason, then each batch that failed as a whole."""
    rows = store.quarantine(batch)
    failures = [f for f in store.failures() if batch in (None, f.batch_id)]
    lines = [f"{q.batch_id} row {q.row}: {q.reason}" + (f"\n    {q.raw}" if raw else "") for q in rows]
    lines += [f"{f.batch_id} failed {f.attempts} times and is offered again: {f.error}" for f in failures]
    return [*lines, f"{len(rows)} rows in quarantine, {len(failures)} failed batches"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report of the store that the environment names; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", help="only this batch")
    parser.add_argument("--raw", action="store_true", help="show each document as it came")
    chosen = parser.parse_args(arguments)
    try:
        print(*report(open_store(Settings.from_env().home, NBA), chosen.batch, raw=chosen.raw), sep="\n")
    except PariVisionError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
