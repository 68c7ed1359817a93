"""What many faults share, made once: a filled state folder to copy, files of shots, and what is read from a state."""

from __future__ import annotations

import datetime as dt
import logging
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.faults.outcome import Outcome
from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.steps.features.folding import update_warehouse
from parivision_assets.steps.feed.ingesting import ingest, waiting
from parivision_core.nba.shots import NBA
from parivision_core.prediction_log.base import Call
from parivision_core.prediction_log.base import Outcome as ShotOutcome
from parivision_core.prediction_log.sqlite import SqlitePredictionLog
from parivision_core.store import open_files
from parivision_core.store.base import Store
from parivision_serving.virtual_bets.clock import State, StateFile
from parivision_serving.virtual_bets.listed_batches import ListedBatches
from parivision_serving.virtual_bets.schemas import ListedBatch
from parivision_serving.web import keys
from tests.helpers import shots
from tests.helpers.batches import verdict
from tests.helpers.prediction_logs import one

SOURCE = "small"
"""Name of VirtualBets' source in the filled state."""
GAME = 60
"""Rows of a game."""
FILLED_ROWS = 480
"""Rows in the files of the filled state."""
CALLS = 20
BATCHES = 5

_stack = ExitStack()
_made: list[Any] = []


@contextmanager
def opened() -> Iterator[None]:
    """A folder and processes for what is shared; all is ended and removed when the block ends."""
    try:
        yield
    finally:
        _stack.close()
        for function in _made:
            function.cache_clear()


def once(function: Callable[[], Any]) -> Any:
    """Decorator: make it at the first call, keep it until the end of the run."""
    cached = lru_cache(function)
    _made.append(cached)
    return cached


def until_the_end() -> ExitStack:
    """Where that which must be closed at the end of the run is entered."""
    return _stack


@once
def scratch() -> Path:
    """A folder for what is shared."""
    return Path(_stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-shared-")))


def season_file(path: Path, *, games: int = 1, seed: int = 1, start: str = "2022-10-18", **more: Any) -> Path:
    """A csv of made-up shots, 60 a game; `more` goes to `shots.season`."""
    return shots.write(shots.season(games=games, seed=seed, start=start, **more), path)


def store_of(home: Path) -> Store:
    """The store in a state folder."""
    return open_files(home, NBA)


def ingest_all(inbox: Path, store: Store) -> None:
    """Ingest what the inbox offers and the store doesn't hold."""
    for batch in waiting(InboxFeed(inbox, 0).batches(), store):
        ingest(batch, NBA, store)


@once
def filled() -> Path:
    """A state folder with a little of everything; faults copy it."""
    home = scratch() / "filled"
    season_file(home / "inbox" / "a.csv", games=4, start="2021-11-01")
    frame = shots.season(games=4, seed=2)
    frame.loc[3, "PLAYER_ID"] = "nobody"
    shots.write(frame, home / "inbox" / "b.csv")
    store = store_of(home)
    ingest_all(home / "inbox", store)
    update_warehouse(store, NBA)
    store.put_verdict(verdict(candidate=1))
    log = SqlitePredictionLog(log_file(home))
    log.append(calls())
    log.put_outcomes({call.id: ShotOutcome(made=True, source="caller", reported_at=5) for call in calls()[:9]})
    log.close()
    state = StateFile(home / "virtual_bets")
    state.save(State(source=SOURCE, days=7.5, batch=3, counter=40, served=40))
    state.close()
    listed = ListedBatches(home / "virtual_bets", SOURCE)
    for batch in listed_batches():
        listed.add(batch)
    api_keys().extend(keys.add(home / "api_keys.json", name, ["read"]) for name in ("reader", "page"))
    for name in ("dagster/history/runs.db", "dagster/schedules/schedules.db"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(home / name)) as db, db:
            db.execute("CREATE TABLE runs (id INTEGER PRIMARY KEY, body TEXT)")
            db.executemany("INSERT INTO runs (body) VALUES (?)", [(f"run {n} " * 20,) for n in range(200)])
    return home


@once
def api_keys() -> list[str]:
    """The keys of the filled state."""
    return []


@once
def calls() -> list[Call]:
    """The calls in the filled state's prediction log."""
    return [one(awaited=((0, f"2023-01-0{1 + n % 5}:{n}"),)) for n in range(CALLS)]


def listed_batches() -> list[ListedBatch]:
    """What VirtualBets has listed in the filled state."""
    days = [dt.date(2001, 11, n + 1) for n in range(BATCHES)]
    return [
        ListedBatch(id=str(day), cursor=n + 1, fingerprint=f"{n}" * 64, rows=n, first_date=day, last_date=day)
        for n, day in enumerate(days)
    ]


@contextmanager
def logged() -> Iterator[list[str]]:
    """The lines that are logged meanwhile."""
    lines: list[str] = []
    handler, root = logging.Handler(), logging.getLogger()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def copied(folder: Path) -> Path:
    """A copy of the filled state folder."""
    return Path(shutil.copytree(filled(), folder / "home"))


def log_file(home: Path) -> Path:
    """Where the prediction log of a state folder is."""
    return home / "prediction_log" / "nba.sqlite"


def read_store(home: Path) -> list[Any]:
    """Everything in a store."""
    store = store_of(home)
    names = store.feature_state_names()
    return [
        store.lake().sort_by("_id"),
        store.manifests(),
        store.quarantine(),
        store.failures(),
        store.verdicts(),
        store.warehouse(),
        store.warehouse_parts(),
        store.warehouse_state(),
        [store.get_feature_state(name) for name in names],
    ]


def read_log(home: Path) -> list[Any]:
    """Everything in a prediction log, looked through first."""
    log, ids = SqlitePredictionLog(log_file(home)), [call.id for call in calls()]
    try:
        log.check()
        return [log.calls(limit=10 * CALLS), log.outcomes(ids), log.awaited_days()]
    finally:
        log.close()


def read_state(home: Path) -> list[Any]:
    """VirtualBets' state."""
    file = StateFile(home / "virtual_bets")
    try:
        return [file.load(SOURCE)]
    finally:
        file.close()


def doubled(store: Store) -> int:
    """Shots whose `_id` the lake holds twice, and batches that were committed twice."""
    table = store.lake(["_id"])
    ids = table["_id"].to_pylist() if table.num_rows else []
    prints = [manifest.fingerprint for manifest in store.manifests()]
    return len(ids) - len(set(ids)) + len(prints) - len(set(prints))


def missing(expected: list[Any], found: list[Any]) -> int:
    """How many of the expected values weren't found; tables count by rows."""
    return sum(_missing(one, other) for one, other in zip(expected, found, strict=True))


def _missing(one: Any, other: Any) -> int:
    if isinstance(one, pa.Table):
        return 0 if one.equals(other) else max(1, one.num_rows - other.num_rows)
    if isinstance(one, list) and isinstance(other, list):
        return (Counter(map(repr, one)) - Counter(map(repr, other))).total()
    return int(one != other)


def twice(expected: list[Any], found: list[Any]) -> int:
    """How many of the values in lists were found more often than expected."""
    pairs = [(one, other) for one, other in zip(expected, found, strict=True) if isinstance(one, list)]
    return sum((Counter(map(repr, other)) - Counter(map(repr, one))).total() for one, other in pairs)


def balanced(store: Store, rows: int, *, reported: bool = True, note: str = "") -> Outcome:
    """The outcome where so many rows were offered: each is in the lake, a duplicate, or in quarantine."""
    manifests, lake = store.manifests(), store.lake(["_id"]).num_rows
    lost = max(0, rows - lake - sum(m.duplicates for m in manifests) - len(store.quarantine()))
    lost += max(0, sum(m.added for m in manifests) - lake)
    return Outcome(lost, doubled(store), reported=reported, note=note or (f"{lost} of {rows} lost" if lost else ""))
