"""The service at 80 % of its capacity, steadily and during twenty swaps: `python -m benchmarks.steady --home DIR`.

It prints one JSON: the capacity, latencies while nothing changes and while feature state and champion are swapped in
turns every three seconds, errors, and the growth of memory after the first of ten minutes. It uses a copy of the state
folder.

The speed of a shared machine varies from minute to minute by more than swaps cost, and 80 % of an earlier capacity may
be more than it has now. So quiet periods and swaps alternate, each time at 80 % of the capacity measured just before.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec

from benchmarks.load import LoadResult, LoadRun
from benchmarks.serving import load_generator
from benchmarks.serving_peers import deployment
from benchmarks.serving_peers.endpoints import SINGLE
from benchmarks.serving_peers.fleet import say
from benchmarks.serving_peers.request_bodies import RequestBodies
from benchmarks.serving_peers.server import ReadyRequest, Server
from parivision_assets.tracking.registry import ModelRegistry
from parivision_core.bundle import GRAPH, save
from parivision_core.nba.shots import NBA
from parivision_core.store import open_files
from parivision_core.store.base import CURRENT_FEATURE_STATE, Store
from parivision_core.tracking.registry import BUNDLE_PATH

CONNECTIONS = 16
CAPACITY_SECONDS, QUIET_SECONDS = 5.0, 15.0
SHARE = 0.8
ROUNDS, SWAPS, SWAP_SECONDS = 5, 4, 3.0
"""Rounds, and swaps in each: two of feature states and two of champions, which restore the first pair."""
REACTION_SECONDS = 8.0
"""Seconds by which the load of a round is longer, for swaps that take longer."""
SERVED_WITHIN = 30.0
STEP_SECONDS = 60.0


def register_copy(registry: ModelRegistry, folder: Path) -> int:
    """Register a copy of the champion with another digest, so that it is fetched and loaded; returns its version."""
    champion = registry.champion()
    assert champion is not None
    bundle = registry.bundle(champion)
    source = registry.client.get_model_version(registry.model, str(champion)).run_id
    path = Path(registry.client.download_artifacts(source, BUNDLE_PATH, str(folder)))
    card = msgspec.structs.replace(
        bundle.card, provenance=msgspec.structs.replace(bundle.card.provenance, code_version="copy")
    )
    sha256 = save(path, (path / GRAPH).read_bytes(), card)
    run = registry.client.create_run(registry.client.create_experiment("copy"))
    registry.client.log_artifacts(run.info.run_id, str(path), BUNDLE_PATH)
    return registry.register(run.info.run_id, run.info.artifact_uri, sha256, [])


def served(server: Server) -> tuple[int, str]:
    """The version and the stamp of the feature state that are served now."""
    champion = httpx.get(f"http://127.0.0.1:{server.port}/api/v1/champion").raise_for_status().json()
    return champion["version"], champion["feature_state"]["stamp"]


def swap(store: Store, registry: ModelRegistry, other_version: int, now: Callable[[], tuple[int, str]]) -> float:
    """Publish another feature state and promote another version in turns; returns the end, on the monotonic clock.

    The feature states are that of the last day and that of the end of an earlier season. Raises RuntimeError when a
    swap isn't served in time, ValueError when there is only one feature state.
    """
    names = store.feature_state_names()
    feature_states = {
        feature_state.stamp: feature_state
        for feature_state in map(store.get_feature_state, names)
        if feature_state is not None
    }
    versions = {now()[0], other_version}
    if len(feature_states) < 2:
        raise ValueError(
            f"the state folder has only one feature state ({', '.join(names)}); swapping needs shots of two seasons"
        )
    for turn in range(SWAPS):
        version, stamp = now()
        began = time.monotonic()
        if turn % 2:
            (version,) = versions - {version}
            registry.set_champion(version)
        else:
            stamp, feature_state = next(
                (other, feature_state) for other, feature_state in feature_states.items() if other != stamp
            )
            store.publish_warehouse({}, store.warehouse_state(), {CURRENT_FEATURE_STATE: feature_state})
        while now() != (version, stamp):
            if time.monotonic() > began + SERVED_WITHIN:
                raise RuntimeError(
                    f"version {version} and feature state {stamp} aren't served after {SERVED_WITHIN:g} s"
                )
            time.sleep(0.25)
        time.sleep(max(began + SWAP_SECONDS - time.monotonic(), 0))
    return time.monotonic()


class Round(NamedTuple):
    """Results of one round: the capacity, and load at a share of it without and with swaps."""

    capacity: LoadResult
    quiet: LoadResult
    swapped: LoadResult

    @property
    def p99_over_quiet(self) -> float:
        """Ratio of the 99th percentiles of latency with and without swaps."""
        return self.swapped.p99_ms / self.quiet.p99_ms


def swapping(ask: Callable[[LoadRun], LoadResult], run: LoadRun, swaps: Callable[[], float]) -> Round:
    """One round: the capacity now, load at a share of it, and the same with swaps."""
    capacity = ask(run)
    paced = msgspec.structs.replace(run, per_second=SHARE * capacity.per_second, seconds=QUIET_SECONDS)
    quiet = ask(paced)
    with ThreadPoolExecutor(1) as threads:
        under_way = threads.submit(swaps)
        swapped = ask(msgspec.structs.replace(paced, seconds=SWAPS * SWAP_SECONDS + REACTION_SECONDS))
        ended = time.monotonic()
        if under_way.result() > ended:
            raise RuntimeError("the load ended before the last swap; the machine is too busy for a measurement")
    return Round(capacity, quiet, swapped)


def benchmark(home: Path, folder: Path, minutes: int) -> dict[str, Any]:
    """Measure on a state folder that may be changed."""
    bodies = RequestBodies(home, folder)
    store = open_files(home, NBA)
    with ExitStack() as stack:
        registry = stack.enter_context(deployment.registry(home, folder / "registry.log"))
        ready = ReadyRequest("POST", SINGLE["ours"].path, bodies.first("shot"))
        server = stack.enter_context(deployment.service(home, registry.port, folder / "ours.log", ready))
        ask = stack.enter_context(load_generator())
        run = SINGLE["ours"].run(server, bodies, CONNECTIONS, CAPACITY_SECONDS)
        models = ModelRegistry(f"http://127.0.0.1:{registry.port}", NBA.registered_model)
        other = register_copy(models, folder)
        say("warming up")
        ask(run)
        rounds = []
        for turn in range(ROUNDS):
            say(f"swaps, round {turn + 1} of {ROUNDS}")
            rounds.append(swapping(ask, run, lambda: swap(store, models, other, lambda: served(server))))
        paced = msgspec.structs.replace(run, per_second=SHARE * rounds[-1].capacity.per_second, seconds=STEP_SECONDS)
        memory, steps = [server.memory_mb()["pss"]], []
        for minute in range(minutes):
            say(f"minute {minute + 1} of {minutes}")
            steps.append(ask(paced))
            memory.append(server.memory_mb()["pss"])
        deployment.fail_if_dropped(server)
        return {
            "swaps": [
                {
                    "capacity_per_second": round(found.capacity.per_second),
                    "quiet": figures(found.quiet),
                    "four_swaps": figures(found.swapped),
                    "p99_over_quiet": round(found.p99_over_quiet, 2),
                }
                for found in rounds
            ],
            "requests_during_swaps": sum(found.swapped.requests for found in rounds),
            "errors_during_swaps": sum(found.swapped.errors for found in rounds),
            "p99_of_swaps_over_quiet": round(statistics.median(found.p99_over_quiet for found in rounds), 2),
            "steady": {
                "minutes": minutes,
                "per_second": round(paced.per_second),
                "requests": sum(step.requests for step in steps),
                "errors": sum(step.errors for step in steps),
                "p99_ms": [round(step.p99_ms, 1) for step in steps],
                "memory_mb": memory,
                "growth_after_warm_up": round(memory[-1] / memory[1] - 1, 4) if minutes else None,
            },
        }


def figures(found: LoadResult) -> dict[str, float]:
    """The figures of a run; a run with an error ends the benchmark."""
    return {
        "requests": found.requests,
        "errors": found.errors,
        "per_second": round(found.per_second),
        "p50_ms": round(found.p50_ms, 2),
        "p99_ms": round(found.p99_ms, 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="state folder with a champion; a copy is used")
    parser.add_argument("--minutes", type=int, default=10, help="minutes of steady load, 10 by default")
    chosen = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        home = deployment.copied(chosen.home, Path(folder) / "home")
        found = benchmark(home, Path(folder), chosen.minutes)
    print(json.dumps(found | {"seconds": round(time.monotonic() - began)}, indent=1))


if __name__ == "__main__":
    main()
