"""The cost of each kind of store for its client: CPU seconds per 10,000 shots, and memory by the size of the lake.

`python -m benchmarks.pipeline` measures both kinds alternately, several times, so that a busy machine slows both.
MongoDB is the server of PARIVISION_TEST_MONGO_URL, else nx-27017, whose own CPU isn't counted. The shots come from a
season in PARIVISION_TEST_DATA, else they are generated.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import pyarrow as pa
from pymongo import MongoClient

from parivision_assets.feeds.base import Batch
from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.steps.features.folding import update_warehouse
from parivision_assets.steps.feed.ingesting import ingest
from parivision_core.nba.shots import NBA
from tests.helpers import shots
from tests.helpers.mongo_server import MongoServer
from tests.helpers.stores import Place, opened

SEASON = "nba/NBA_2021_Shots.csv.zip"
BATCH = 5_000


def season(rows: int) -> pd.DataFrame:
    """A number of shots in the season layout, real ones if there are some."""
    path = Path(os.environ.get("PARIVISION_TEST_DATA", "")) / SEASON
    if path.is_file():
        with zipfile.ZipFile(path) as archive, archive.open(path.name.removesuffix(".zip")) as file:
            return pd.read_csv(file, dtype=str, nrows=rows)
    return shots.season(games=rows // 100, shots=100)


@contextmanager
def mongo() -> Iterator[str]:
    """Address of the MongoDB to measure against."""
    given = os.environ.get("PARIVISION_TEST_MONGO_URL")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory() as folder:
        server = MongoServer(Path(folder)).start()
        try:
            yield server.url
        finally:
            server.stop()


def cpu(work: Callable[[], Any]) -> float:
    """CPU seconds of this process for a piece of work."""
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(place: Place, batch: Batch, rows: int) -> dict[str, float]:
    """CPU seconds per 10,000 shots of each stage on an empty store."""
    store = opened(place)
    store.manifests()
    again = replace(batch, id=f"{batch.id}-again", fingerprint=f"{batch.fingerprint}-again")
    seconds = {
        "ingest": cpu(lambda: ingest(batch, NBA, store)),
        "re-ingest": cpu(lambda: ingest(again, NBA, store)),
        "scan of all columns": cpu(lambda: sum(piece.num_rows for piece in store.scan())),
        "scan of four columns": cpu(lambda: list(store.scan(["_id", "x", "y", "made"]))),
        "warehouse written": cpu(lambda: update_warehouse(store, NBA)),
        "warehouse read": cpu(store.warehouse),
    }
    assert store.manifests()[1].duplicates == rows, "the second batch must contain only duplicates"
    return {name: value * 10_000 / rows for name, value in seconds.items()}


def peak(place: Place, work: str) -> float:
    """Peak memory (MB) of a piece of work on a store."""
    command = [sys.executable, "-m", "benchmarks.pipeline", "--child", json.dumps(place), work]
    return round(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout), 1)


def child(place: Place, work: str) -> None:
    """Do the work and print the peak of memory held by Arrow and Python (the process's size includes freed memory)."""
    store = opened(place)
    store.manifests()
    tracemalloc.start()
    if work == "scan":
        for _ in store.scan():
            pass  # a reader that keeps nothing
    else:
        store.lake()
    print((pa.default_memory_pool().max_memory() + tracemalloc.get_traced_memory()[1]) / 1e6)


def places(folder: str, url: str, name: str) -> dict[str, Place]:
    """An empty place of each kind."""
    return {
        "files": {"kind": "files", "folder": f"{folder}/{name}"},
        "mongo": {"kind": "mongo", "url": url, "database": f"parivision_bench_{os.getpid()}_{name}"},
    }


def batch_of(frame: pd.DataFrame, folder: Path) -> Batch:
    """The frame as an inbox's batch."""
    shots.write(frame, folder / "season.csv")
    return InboxFeed(folder, 0).batches()[0]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000, help="nx-27017 copes with 20,000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        child(json.loads(chosen.child[0]), chosen.child[1])
        return
    frame = season(chosen.rows)
    with tempfile.TemporaryDirectory() as folder, mongo() as url, MongoClient(url) as client:
        batch = batch_of(frame, Path(folder) / "whole")
        runs: dict[str, list[dict[str, float]]] = {"files": [], "mongo": []}
        for round_ in range(chosen.rounds + 1):
            for kind, place in places(folder, url, f"r{round_}").items():
                found = measure(place, batch, len(frame))
                if round_:  # the first round warms up
                    runs[kind].append(found)
                client.drop_database(place.get("database", "none"))
        memory: dict[str, dict[str, float]] = {"files": {}, "mongo": {}}
        for kind, place in places(folder, url, "memory").items():
            store = opened(place)
            for start in range(0, len(frame), BATCH):
                ingest(batch_of(frame.iloc[start : start + BATCH], Path(folder) / f"b{start}"), NBA, store)
                for work in ("scan", "lake"):
                    memory[kind][f"{work} of {min(start + BATCH, len(frame)):,}"] = peak(place, work)
            client.drop_database(place.get("database", "none"))
    print(
        json.dumps(
            {
                "rows": len(frame),
                "rounds": chosen.rounds,
                "cpu_seconds_per_10000_shots_min_median_max": {
                    stage: {kind: spread([run[stage] for run in of]) for kind, of in runs.items()}
                    for stage in runs["files"][0]
                },
                "peak_of_held_memory_mb": {
                    kind: {k: round(v, 1) for k, v in of.items()} for kind, of in memory.items()
                },
            },
            indent=1,
        )
    )


def spread(values: list[float]) -> list[float]:
    """Minimum, median and maximum."""
    return [round(value, 3) for value in (min(values), median(values), max(values))]


if __name__ == "__main__":
    main()
