"""Our service against others, over loopback: `python -m benchmarks.serving --home DIR` prints one JSON.

Five servers with one worker each are started once and asked in turns, round after round, so that a busy machine slows
all of them: our service with all its defaults, prediction log and metrics among them; a typed route that does nothing, under
the same server program; the original's way; `mlflow models serve` of the same forest; and LitServe with our own model.
Ratios are medians over the rounds of what one round measured. It takes about seven minutes; with `--data FILE...` a
house is made from season files first.
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

from benchmarks.load import Found, Run
from benchmarks.serving_peers import deployment
from benchmarks.serving_peers.figures import COMPARED_AT, Rounds, ratios, spread, summary
from benchmarks.serving_peers.fleet import PEERS, say, started
from benchmarks.serving_peers.questions import Questions
from benchmarks.serving_peers.server import ROOT, Server
from benchmarks.serving_peers.ways import BATCH, SINGLE

CONNECTIONS = (1, COMPARED_AT, 64)
BATCHES, BATCH_CONNECTIONS = (1, 100, 10_000), 2
ROUNDS, SECONDS, BATCH_SECONDS, WARM_UP_SECONDS = 10, 1.4, 0.8, 1.0
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
def load_generator() -> Iterator[Callable[[Run], Found]]:
    """A process that makes the requests; it raises SystemExit for a run with a wrong answer, which measures nothing."""
    command = [sys.executable, "-m", "benchmarks.load"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    sent, answered = process.stdin, process.stdout

    def ask(run: Run) -> Found:
        print(msgspec.json.encode(run).decode(), file=sent, flush=True)
        line = answered.readline()
        found = msgspec.json.decode(line, type=Found) if line else None
        if found is None or found.errors or not found.requests:
            raise SystemExit(f"{run.path}, {run.connections} connections, {run.rows} rows: {found}")
        return found

    try:
        yield ask
    finally:
        sent.close()
        process.wait(30)


def measured(
    servers: dict[str, Server], questions: Questions, ask: Callable[[Run], Found], rounds: int, seconds: float | None
) -> tuple[Rounds, Rounds]:
    """Every server at every number of connections, and every batch, once a round; the order changes with the round."""
    single_seconds, batch_seconds = seconds or SECONDS, seconds or BATCH_SECONDS
    singles = [(name, n) for n in CONNECTIONS for name in SINGLE if name in servers]
    batches = [(name, rows) for rows in BATCHES for name, way in BATCH.items() if way.server in servers]
    for name, server in servers.items():
        ask(SINGLE[name].run(server, questions, COMPARED_AT, seconds or WARM_UP_SECONDS))
    found: tuple[Rounds, Rounds] = ([], [])
    for i in range(rounds):
        say(f"round {i + 1} of {rounds}")
        turn = -1 if i % 2 else 1
        found[0].append(
            {
                (name, n): ask(SINGLE[name].run(servers[name], questions, n, single_seconds))
                for name, n in singles[::turn]
            }
        )
        found[1].append(
            {
                (name, rows): ask(
                    BATCH[name].run(servers[BATCH[name].server], questions, BATCH_CONNECTIONS, batch_seconds, rows)
                )
                for name, rows in batches[::turn]
            }
        )
    return found


def benchmark(home: Path, folder: Path, peers: list[str], *, quick: bool) -> dict[str, Any]:
    """Measure on a house that may be written into."""
    began, load = time.monotonic(), os.getloadavg()
    questions = Questions(home, folder)
    with ExitStack() as stack:
        servers = started(stack, home, questions, folder, peers)
        rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if quick else (ROUNDS, None)
        with load_generator() as ask:
            singles, batches = measured(servers, questions, ask, rounds, seconds)
        deployment.fail_if_dropped(servers["ours"])
        found = {name: spread(values) for name, values in ratios(singles, batches).items()}
        return {
            "ratios": {name: middle for name, (_, middle, _) in found.items()},
            "ratios_min_median_max": found,
            "single_min_median_max": summary(singles),
            "batch_min_median_max": summary(batches, rows=True),
            "cold_start": {
                name: {"seconds": round(s.start_seconds, 2), "cpu_seconds": round(s.start_cpu_seconds, 2)}
                for name, s in servers.items()
            },
            "memory_mb": {name: server.memory_mb() for name, server in servers.items()},
            "rounds": rounds,
            "seconds": round(time.monotonic() - began),
            "shots": len(questions.shots),
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
    source.add_argument("--home", type=Path, help="a house with a champion; it is copied")
    source.add_argument(
        "--data", type=Path, nargs="+", help="season files to make a house from, as the inbox takes them"
    )
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS, help="to compare with, by default all")
    parser.add_argument("--quick", action="store_true", help="only to see that it runs: two short rounds")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        try:
            if chosen.home:
                home = deployment.copied(chosen.home, folder / "home")
            else:
                say("making a house")
                home = deployment.made(chosen.data, folder / "home")
            (folder / "runs").mkdir()
            found = benchmark(home, folder / "runs", chosen.peers, quick=chosen.quick)
        except (OSError, RuntimeError, ValueError) as error:
            parser.exit(1, f"{error}\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
