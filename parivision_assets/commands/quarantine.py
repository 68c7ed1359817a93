"""`make quarantine`: list the rows and batches that were kept out of the lake, and why."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from parivision_assets.resources import feeds_of
from parivision_assets.steps.feed.replaying import to_correct, unresolved
from parivision_core.nba.shots import NBA
from parivision_core.problems import PariVisionError
from parivision_core.rights import keep_private
from parivision_core.settings import Settings
from parivision_core.store import open_store
from parivision_core.store.base import Store


def report(store: Store, offered: set[str], batch: str | None = None, *, raw: bool = False) -> list[str]:
    """Lines of text: each quarantined row with its reason, then each batch that failed as a whole.

    Rows that were replayed, and failed batches whose fingerprint is no longer `offered`, aren't listed.
    """
    rows = unresolved(store, batch)
    failures = [f for f in store.failures() if f.fingerprint in offered and batch in (None, f.batch_id)]
    lines = [f"{q.batch_id} row {q.row}: {q.reason}" + (f"\n    {q.raw}" if raw else "") for q in rows]
    for f in failures:
        status = "can't be used" if f.rejected_by else "failed and will be tried again"
        lines.append(f"{f.batch_id} {status} (attempts: {f.attempts}): {f.error}")
    batches = "failed batch" if len(failures) == 1 else "failed batches"
    return [*lines, f"{len(rows)} {'row' if len(rows) == 1 else 'rows'} in quarantine, {len(failures)} {batches}"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report of the store that the environment names; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", help="only this batch")
    parser.add_argument("--raw", action="store_true", help="show each document as it came")
    parser.add_argument("--write", metavar="FILE", type=Path, help="write the rows as JSON Lines, to be corrected")
    chosen = parser.parse_args(arguments)
    try:
        settings = Settings.from_env()
        store = open_store(settings, NBA)
        if chosen.write:
            return write_corrections(chosen.write, to_correct(unresolved(store, chosen.batch)))
        offers = feeds_of(settings).offers()
        for feed, problem in offers.problems.items():
            print(f"The feed {feed} can't be read: {problem}")
        print(*(f"{message}\n" for message in offers.ignored.values()), sep="", end="")
        offered = {batch.fingerprint for batch in offers.batches}
        print(*report(store, offered, chosen.batch, raw=chosen.raw), sep="\n")
    except PariVisionError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def write_corrections(path: Path, lines: list[str]) -> int:
    """Write a file of lines to be corrected and replayed; the exit code."""
    try:
        with path.open("x") as file:  # an existing file may hold corrections
            file.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        print(f"{path} can't be written: {error.strerror}; name another file", file=sys.stderr)
        return 1
    print(f"{len(lines)} rows written. Correct their documents, then: make replay FILE={path}")
    return 0


if __name__ == "__main__":
    keep_private()
    sys.exit(main())
