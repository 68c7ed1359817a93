"""PariVision's service compared with others, over loopback: `python -m benchmarks.serving --home DIR` prints one JSON.

Five servers with one worker each are started once and measured in turns, round after round, so that a busy machine
slows all of them: PariVision's service (`ours`) with all its defaults, including prediction log and metrics; a typed
no-op route on the same HTTP server; the original's way of serving; `mlflow models serve` with the same forest; and
LitServe with PariVision's own model. Ratios are medians over the ratios of each round. It takes about seven minutes;
with `--data FILE...` a platform is made from season files first.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.load import LoadResult, LoadRun
from benchmarks.serving_peers import deployment
from benchmarks.serving_peers.endpoints import BULK, SINGLE
from benchmarks.serving_peers.figures import COMPARED_AT, Rounds, ratios, spread, summary
from benchmarks.serving_peers.fleet import PEERS, say, started
from benchmarks.serving_peers.request_bodies import RequestBodies
from benchmarks.serving_peers.server import ROOT, Server

CONNECTIONS = (1, COMPARED_AT, 64)
BULK_ROWS, BULK_CONNECTIONS = (1, 100, 10_000), 2
ROUNDS, SECONDS, BULK_SECONDS, WARM_UP_SECONDS = 10, 1.4, 0.8, 1.0
QUICK_ROUNDS, QUICK_SECONDS = 2, 0.1
VERSIONS = (
    "litestar",
    "msgspec",
    "uvicorn",
    "onnxruntime",
    "fastapi",
    "pydantic",
    "mlflow",
    "scikit-learn",
    "litserve",
)


@contextmanager
def load_generator() -> Iterator[Callable[[LoadRun], LoadResult]]:
    """A process that sends the requests. Raises SystemExit for a run with a wrong answer, which measures nothing."""
    command = [sys.executable, "-m", "benchmarks.load"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    sent, answered = process.stdin, process.stdout

    def ask(run: LoadRun) -> LoadResult:
        print(msgspec.json.encode(run).decode(), file=sent, flush=True)
        line = answered.readline()
        found = msgspec.json.decode(line, type=LoadResult) if line else None
        if found is None or found.errors or not found.requests:
            raise SystemExit(f"{run.path}, {run.connections} connections, {run.rows} rows: {found}")
        return found

    try:
        yield ask
    finally:
        sent.close()
        process.wait(30)


def measured(
    servers: dict[str, Server],
    bodies: RequestBodies,
    ask: Callable[[LoadRun], LoadResult],
    rounds: int,
    seconds: float | None,
) -> tuple[Rounds, Rounds]:
    """Every server at every number of connections, and all bulk requests, once a round; the order alternates."""
    single_seconds, bulk_seconds = seconds or SECONDS, seconds or BULK_SECONDS
    singles = [(name, n) for n in CONNECTIONS for name in SINGLE if name in servers]
    bulks = [(name, rows) for rows in BULK_ROWS for name, endpoint in BULK.items() if endpoint.server in servers]
    for name, server in servers.items():
        ask(SINGLE[name].run(server, bodies, COMPARED_AT, seconds or WARM_UP_SECONDS))
    found: tuple[Rounds, Rounds] = ([], [])
    for i in range(rounds):
        say(f"round {i + 1} of {rounds}")
        turn = -1 if i % 2 else 1
        found[0].append(
            {(name, n): ask(SINGLE[name].run(servers[name], bodies, n, single_seconds)) for name, n in singles[::turn]}
        )
        found[1].append(
            {
                (name, rows): ask(
                    BULK[name].run(servers[BULK[name].server], bodies, BULK_CONNECTIONS, bulk_seconds, rows)
                )
                for name, rows in bulks[::turn]
            }
        )
    return found


def benchmark(home: Path, folder: Path, peers: list[str], *, quick: bool) -> dict[str, Any]:
    """Measure on a state folder that may be changed."""
    began, load = time.monotonic(), os.getloadavg()
    bodies = RequestBodies(home, folder)
    with ExitStack() as stack:
        servers = started(stack, home, bodies, folder, peers)
        rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if quick else (ROUNDS, None)
        with load_generator() as ask:
            singles, bulks = measured(servers, bodies, ask, rounds, seconds)
        deployment.fail_if_dropped(servers["ours"])
        found = {name: spread(values) for name, values in ratios(singles, bulks).items()}
        return {
            "ratios": {name: middle for name, (_, middle, _) in found.items()},
            "ratios_min_median_max": found,
            "single_min_median_max": summary(singles),
            "bulk_min_median_max": summary(bulks, rows=True),
            "cold_start": {
                name: {"seconds": round(s.start_seconds, 2), "cpu_seconds": round(s.start_cpu_seconds, 2)}
                for name, s in servers.items()
            },
            "memory_mb": {name: server.memory_mb() for name, server in servers.items()},
            "rounds": rounds,
            "seconds": round(time.monotonic() - began),
            "shots": len(bodies.shots),
            "machine": {
                "cores": os.cpu_count(),
                "python": platform.python_version(),
                "load_before_and_after": [round(minute, 1) for minute in (load[0], os.getloadavg()[0])],
            },
            "versions": {name: version(name) for name in VERSIONS},
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--home", type=Path, help="state folder with a champion; a copy is used")
    source.add_argument(
        "--data", type=Path, nargs="+", help="season files to make a platform from, in a layout of the inbox"
    )
    parser.add_argument(
        "--peers", nargs="*", choices=PEERS, default=PEERS, help="servers to compare with, by default all"
    )
    parser.add_argument("--quick", action="store_true", help="two short rounds, only to check that it runs")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        try:
            if chosen.home:
                home = deployment.copied(chosen.home, folder / "home")
            else:
                say("making a platform")
                home = deployment.made(chosen.data, folder / "home")
            (folder / "runs").mkdir()
            found = benchmark(home, folder / "runs", chosen.peers, quick=chosen.quick)
        except (OSError, RuntimeError, ValueError) as error:
            parser.exit(1, f"{error}\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
