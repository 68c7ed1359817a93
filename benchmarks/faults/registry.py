"""The registry (MLflow) is down, slow, emptied or answers rubbish, and bundles are damaged there or in the cache.

The champion that was served stays in service, and the reason is named; once the registry is well, so is all else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from benchmarks.faults import shared
from benchmarks.faults.outcome import Outcome
from benchmarks.faults.stored_bytes import cut, flip
from benchmarks.faults.table import Inject, fault
from parivision_core.bundle import CARD, GRAPH
from parivision_core.nba.shots import NBA
from parivision_core.tracking.registry import RegistryReader
from parivision_serving.prediction.champion import RETRY_POLLS, Watcher
from tests.helpers.serving_setup import ServingSetup, make_feature_state, make_setup

TIMEOUT_SECONDS = 0.2
DOWN, NOT_MLFLOW = "doesn't answer", "is not an MLflow server"

Break = Callable[[ServingSetup, Random], object]


@dataclass(frozen=True)
class Broken:
    """What is broken, and what must come of it."""

    breaks: Break
    word: str
    """Stands in what is reported."""
    restarts: bool = False
    """Whether the service starts after it was broken."""
    serves: bool = True
    """Whether the champion is served all the same; else requests must be refused with the reason."""


def stop(setup: ServingSetup, _: Random) -> None:
    """Refuse connections."""
    setup.mlflow.stop()


def answer(make: Callable[[Random], tuple[int, bytes]]) -> Break:
    """Give one answer to everything."""

    def breaks(setup: ServingSetup, drawn: Random) -> None:
        given = make(drawn)
        setup.mlflow.reply = lambda *_: given  # type: ignore[method-assign]

    return breaks


def hang(setup: ServingSetup, _: Random) -> None:
    """Answer too late."""
    reply = setup.mlflow.reply

    def late(path: str, query: dict[str, str]) -> tuple[int, bytes]:
        time.sleep(2 * TIMEOUT_SECONDS)
        return reply(path, query)

    setup.mlflow.reply = late  # type: ignore[method-assign]
    setup.mlflow._server.handle_error = lambda *_: None  # type: ignore[method-assign] # it has hung up


def delete(setup: ServingSetup, _: Random) -> None:
    """Delete the version that has the alias."""
    setup.promote(2)
    del setup.mlflow.versions[2]


def empty(setup: ServingSetup, _: Random) -> None:
    """Lose all models, as without its database."""
    setup.mlflow.versions, setup.mlflow.alias = {}, None


def promote_damaged(name: str) -> Break:
    """Promote a version whose file has another bit."""

    def breaks(setup: ServingSetup, drawn: Random) -> None:
        setup.register(2)
        file = setup.mlflow.versions[2] / name
        file.write_bytes(flip(file.read_bytes(), drawn))
        setup.promote(2)

    return breaks


def promote_other(setup: ServingSetup, _: Random) -> None:
    """Promote a version of other features."""
    setup.promote(2, schema="another")


def in_cache(name: str, damage: Callable[[bytes, Random], bytes], also: Break = lambda *_: None) -> Break:
    """Damage a file of the cache."""

    def breaks(setup: ServingSetup, drawn: Random) -> None:
        (file,) = setup.settings.cache.rglob(name)
        file.write_bytes(damage(file.read_bytes(), drawn))
        also(setup, drawn)

    return breaks


NOTE = "champion.json"
KINDS = {
    "the registry is down at the start": Broken(stop, DOWN, restarts=True),
    "the registry goes down": Broken(stop, DOWN),
    "the registry answers 500": Broken(answer(lambda _: (500, b"locked")), NOT_MLFLOW),
    "the registry answers rubbish": Broken(
        answer(lambda drawn: (200, b"<" + drawn.randbytes(50))), "is not an MLflow server"
    ),
    "the registry is too slow": Broken(hang, DOWN),
    "the registry has lost its models": Broken(empty, "no longer names a champion"),
    "the registry has lost its models, and the service restarts": Broken(
        empty, "restore MLflow's database from a backup", restarts=True
    ),
    "the champion's version was deleted": Broken(delete, "does not exist"),
    "a bit flips: the champion's graph in the registry": Broken(promote_damaged(GRAPH), f"{GRAPH} was altered"),
    "a bit flips: the champion's card in the registry": Broken(promote_damaged(CARD), f"{CARD} was altered"),
    "the champion is of other features": Broken(promote_other, "was trained on"),
    "a bit flips: the graph in the cache": Broken(in_cache(GRAPH, flip), GRAPH, restarts=True),
    "a bit flips: the card in the cache": Broken(in_cache(CARD, flip), CARD, restarts=True),
    "cut in half: the graph in the cache": Broken(in_cache(GRAPH, cut), GRAPH, restarts=True),
    "a bit flips: champion.json, the registry is down": Broken(
        in_cache(NOTE, flip, stop), NOTE, restarts=True, serves=False
    ),
    "cut in half: champion.json, the registry is down": Broken(
        in_cache(NOTE, cut, stop), NOTE, restarts=True, serves=False
    ),
    "a bit flips: the graph in the cache, the registry is down": Broken(
        in_cache(GRAPH, flip, stop), GRAPH, restarts=True, serves=False
    ),
}
TIMES = 3


def broken(kind: Broken) -> Inject:
    """Serve a champion, break something, perhaps start anew, and look what is served; then mend it and look again."""

    def inject(folder: Path, seed: int) -> Outcome:
        setup = make_setup(folder)
        setup.promote(1)
        setup.feature_state(make_feature_state(seed))
        sound = setup.mlflow.reply
        with closing(_reader(setup)) as reader:
            watcher = _watcher(setup, reader)
            watcher.look()
            before = _prediction(watcher)
            assert before is not None, watcher.problem
            kind.breaks(setup, Random(seed))
            if kind.restarts:
                watcher = _watcher(setup, reader)
            with shared.logged() as said:
                watcher.look()
            during = _prediction(watcher)
            setup.mlflow.reply = sound  # type: ignore[method-assign]
            if kind.breaks is stop or not kind.serves:
                setup.mlflow.start(setup.mlflow.port)
            setup.promote(3)
            for _ in range(RETRY_POLLS + 1):
                watcher.look()
            setup.mlflow.stop()
        recovered = watcher.pair is not None and watcher.pair.champion.version == 3 and watcher.problem is None
        reported = any(kind.word in line for line in said) and recovered
        failed = int(during != (before if kind.serves else None))
        note = "" if reported and not failed else f"seed {seed}: {said} {watcher.problem}"
        return Outcome(failed=failed, reported=reported, note=note)

    return inject


def _reader(setup: ServingSetup) -> RegistryReader:
    return RegistryReader(setup.settings.registry_url, NBA.registered_model, setup.settings.cache, "", TIMEOUT_SECONDS)


def _watcher(setup: ServingSetup, reader: RegistryReader) -> Watcher:
    return Watcher(NBA, reader, setup.store, 0.0)


def _prediction(watcher: Watcher) -> Any:
    """What the pair in service predicts for one row; None without a pair."""
    if watcher.pair is None:
        return None
    columns = len(NBA.feature_names)
    return float(watcher.pair.bundle.predict(np.ones((1, columns), np.float32), np.zeros(1, np.float32))[0])


for _name, _kind in KINDS.items():
    fault(TIMES, _name)(broken(_kind))
