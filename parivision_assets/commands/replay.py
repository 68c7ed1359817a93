"""`make replay FILE=...`: ingest corrected documents of rows in quarantine and of stored shots.

`make quarantine ARGS="--write FILE"` and `make correct` write the file; change only the documents in it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from parivision_assets.orchestration.partitions import add_batches
from parivision_assets.reporting import batch_summary
from parivision_assets.steps.feed.ingesting import ingest
from parivision_assets.steps.feed.replaying import corrected
from parivision_core.nba.shots import NBA
from parivision_core.problems import BatchError, PariVisionError
from parivision_core.records import Manifest
from parivision_core.rights import keep_private
from parivision_core.settings import Settings
from parivision_core.sport import Sport
from parivision_core.store import open_store
from parivision_core.store.base import Store


def replay(path: Path, sport: Sport, store: Store, instance: dg.DagsterInstance) -> tuple[list[Manifest], int]:
    """Ingest a file of corrections; the resulting manifests, and how many of its lines were unchanged.

    Its batches become partitions, so that Dagster refreshes what is downstream. Raises BatchError when a line can't be
    used; nothing of the file is ingested then.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BatchError(f"{path} can't be read: {error.strerror}") from error
    batches, unchanged = corrected(path.name, content, store)
    # Before the ingest: the sensor `new_batches` then records their materializations, even if this process dies.
    add_batches(instance, sport, [batch.id for batch in batches])
    return [ingest(batch, sport, store) for batch in batches], unchanged


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay a file and print the result; the exit code is 1 when rows still break the contract."""
    parser = argparse.ArgumentParser(prog="make replay", description=__doc__)
    parser.add_argument("file", type=Path)
    chosen = parser.parse_args(arguments)
    if not chosen.file.name:  # `make replay` without FILE
        print("Name the file: make replay FILE=corrections.jsonl", file=sys.stderr)
        return 1
    try:
        store = open_store(Settings.from_env(), NBA)
        with dg.DagsterInstance.get() as instance:
            manifests, unchanged = replay(chosen.file, NBA, store, instance)
    except PariVisionError as error:
        print(error, file=sys.stderr)
        return 1
    print(*map(batch_summary, manifests), sep="\n")
    rejected = [q for manifest in manifests for q in store.quarantine(manifest.batch_id)]
    print(*(f"  still wrong: {q.reason}" for q in rejected), sep="\n", end="\n" if rejected else "")
    replayed = sum(len(m.resolves) + len(m.corrects) for m in manifests)
    print(f"{replayed} corrections replayed, {unchanged} lines unchanged.")
    if any(m.inserted for m in manifests):
        print("A running platform uses the new shots by itself; without one, run `make refresh`.")
    return 1 if rejected else 0


if __name__ == "__main__":
    keep_private()
    sys.exit(main())
