"""`make withdraw BATCH=ID`: take a committed batch back, as if it had never come; with a withdrawal's id, undo that."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import dagster as dg

from parivision_assets.orchestration.partitions import add_batches
from parivision_assets.reporting import batch_summary
from parivision_assets.steps.feed.withdrawing import withdraw
from parivision_core.nba.shots import NBA
from parivision_core.problems import PariVisionError
from parivision_core.rights import keep_private
from parivision_core.settings import Settings
from parivision_core.store import open_store


def main(arguments: Sequence[str] | None = None) -> int:
    """Withdraw a batch and print what that changed; the exit code."""
    parser = argparse.ArgumentParser(prog="make withdraw", description=__doc__)
    parser.add_argument("batch")
    chosen = parser.parse_args(arguments)
    if not chosen.batch:  # `make withdraw` without BATCH
        print("Name the batch: make withdraw BATCH=ID", file=sys.stderr)
        return 1
    try:
        store = open_store(Settings.from_env(), NBA)
        with dg.DagsterInstance.get() as instance:
            # A partition, so that Dagster refreshes what is downstream.
            manifest = withdraw(chosen.batch, NBA, store, lambda key: add_batches(instance, NBA, [key]))
    except PariVisionError as error:
        print(error, file=sys.stderr)
        return 1
    print(batch_summary(manifest))
    print(f"To undo it: make withdraw BATCH={manifest.batch_id}")
    print("A running platform folds the features anew by itself; without one, run `make refresh`.")
    return 0


if __name__ == "__main__":
    keep_private()
    sys.exit(main())
