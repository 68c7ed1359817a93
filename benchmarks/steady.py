"""Our service steadily at 80 % of what it can, and through twenty swaps: `python -m benchmarks.steady --home DIR`.

It prints one JSON: the capacity, how long answers take while nothing changes and while the form is swapped every three
seconds, errors, and how memory grew after the first of ten minutes. The house is copied first.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread
from typing import Any

import msgspec

from benchmarks.load import Found
from benchmarks.serving import load_generator
from benchmarks.serving_peers import house
from benchmarks.serving_peers.fleet import say
from benchmarks.serving_peers.questions import Questions
from benchmarks.serving_peers.server import Asked
from benchmarks.serving_peers.ways import SINGLE
from parivision_core.nba import NBA
from parivision_core.store import open_files
from parivision_core.store.base import CURRENT_FORM, Store

CONNECTIONS = 16
CAPACITY_SECONDS, QUIET_SECONDS = 10.0, 30.0
SHARE = 0.8
SWAPS, SWAP_SECONDS = 20, 3.0
STEP_SECONDS = 60.0


def swap_forms(store: Store, over: Event) -> None:
    """Publish the form of the last day and that of a season's end in turns, until told that it is over."""
    stamp = store.form_stamp()
    other = next(name for name in store.form_names() if store.form_stamp(name) != stamp)
    forms = [store.get_form(name) for name in (CURRENT_FORM, other)]
    for turn in range(SWAPS):
        if over.wait(SWAP_SECONDS):
            return
        form = forms[(turn + 1) % 2]
        assert form is not None
        store.publish_warehouse({}, store.warehouse_state(), {CURRENT_FORM: form})


def benchmark(home: Path, folder: Path, minutes: int) -> dict[str, Any]:
    """Measure on a house that may be written into."""
    questions = Questions(home, folder)
    store = open_files(home, NBA)
    with ExitStack() as stack:
        registry = stack.enter_context(house.registry(home, folder / "registry.log"))
        asked = Asked("POST", SINGLE["ours"].path, questions.first("shot"))
        server = stack.enter_context(house.service(home, registry.port, folder / "ours.log", asked))
        ask = stack.enter_context(load_generator())
        run = SINGLE["ours"].run(server, questions, CONNECTIONS, CAPACITY_SECONDS)
        say("capacity")
        capacity = ask(run).per_second
        paced = msgspec.structs.replace(run, per_second=SHARE * capacity)
        say("quiet")
        quiet = ask(msgspec.structs.replace(paced, seconds=QUIET_SECONDS))
        say("swaps")
        over = Event()
        swapping = Thread(target=swap_forms, args=(store, over))
        swapping.start()
        swapped = ask(msgspec.structs.replace(paced, seconds=SWAPS * SWAP_SECONDS + 2))
        over.set()
        swapping.join()
        memory, steps = [server.memory_mb()["pss"]], []
        for minute in range(minutes):
            say(f"minute {minute + 1} of {minutes}")
            steps.append(ask(msgspec.structs.replace(paced, seconds=STEP_SECONDS)))
            memory.append(server.memory_mb()["pss"])
        return {
            "capacity_per_second": round(capacity),
            "quiet": told(quiet),
            "twenty_swaps": told(swapped),
            "p99_of_swaps_over_quiet": round(swapped.p99_ms / quiet.p99_ms, 2),
            "steady": {
                "minutes": minutes,
                "requests": sum(step.requests for step in steps),
                "errors": sum(step.errors for step in steps),
                "p99_ms": [round(step.p99_ms, 1) for step in steps],
                "memory_mb": memory,
                "growth_after_warm_up": round(memory[-1] / memory[1] - 1, 4) if minutes else None,
            },
        }


def told(found: Found) -> dict[str, float]:
    """What matters of a run; one with an error would have ended the benchmark."""
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
    parser.add_argument("--home", type=Path, required=True, help="a house with a champion; it is copied")
    parser.add_argument("--minutes", type=int, default=10, help="how long it is asked steadily, 10 by default")
    chosen = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        home = house.copied(chosen.home, Path(folder) / "home")
        found = benchmark(home, Path(folder), chosen.minutes)
    print(json.dumps(found | {"seconds": round(time.monotonic() - began)}, indent=1))


if __name__ == "__main__":
    main()
