"""Damage to what is stored: a flipped bit, a file cut in half, a file that is gone.

Each must be refused by name or mended without a person; whatever it was, once the file is put back everything is there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.faults import shared
from benchmarks.faults.outcome import Outcome
from benchmarks.faults.table import Inject, fault
from parivision_assets.steps.features.folding import update_warehouse
from parivision_assets.tracking.databases import check_databases
from parivision_core.nba.shots import NBA
from parivision_core.problems import PariVisionError
from parivision_core.settings import Settings
from parivision_serving.virtual_bets.listed_batches import ListedBatches
from parivision_serving.virtual_bets.schemas import ListedBatch
from parivision_serving.web.keys import Keys

Damage = Callable[[bytes, Random], bytes | None]


def flip(data: bytes, drawn: Random) -> bytes:
    """One bit changed."""
    place = drawn.randrange(len(data))
    return data[:place] + bytes((data[place] ^ 1 << drawn.randrange(8),)) + data[place + 1 :]


def cut(data: bytes, drawn: Random) -> bytes:
    """About the first half."""
    return data[: int(len(data) * drawn.uniform(0.4, 0.6))]


def remove(_: bytes, __: Random) -> None:
    """No file."""


DAMAGES: dict[str, tuple[Damage, int]] = {"a bit flips": (flip, 10), "cut in half": (cut, 3)}
"""Words -> what is done, and how often to each kind of file."""


@dataclass(frozen=True)
class Stored:
    """A kind of file, how the platform reads it, and what it does about damage by itself."""

    name: str
    pattern: str
    read: Callable[[Path], list[Any]]
    """Everything that depends on the file. Raises PariVisionError when it is refused."""
    mend: Callable[[Path], str] | None = None
    """What runs next anyway, and mends the file without a person; returns what it says."""
    named: tuple[str, ...] = ()
    """Words that a report must hold one of, in place of the name of the file or of its folder."""


def fold_again(home: Path) -> str:
    """What every run does with the features."""
    said: list[str] = []
    update_warehouse(shared.store_of(home), NBA, said.append)
    return " ".join(said)


def list_again(home: Path) -> str:
    """What VirtualBets does with batches that it doesn't find in its listing."""
    listed = ListedBatches(home / "virtual_bets", shared.SOURCE)
    for batch in shared.listed_batches():
        if listed.get(batch.cursor) is None:
            listed.add(batch)
    return "listed again"


def read_listing(home: Path) -> list[ListedBatch]:
    """The listed batches; none is there that wasn't listed."""
    listed = ListedBatches(home / "virtual_bets", shared.SOURCE)
    found = [listed.get(cursor) for cursor in range(2 * shared.BATCHES)]
    return [batch for batch in found if batch is not None]


def read_keys(home: Path) -> list[Any]:
    """The callers that the service admits. Raises PariVisionError as it refuses a request with a known key."""
    keys = Keys(home / "api_keys.json")
    found = [keys.caller(key) for key in shared.api_keys()]
    if keys.caller("pv_unknown") is not None:
        raise AssertionError("an unknown key was let in")
    if None in found:
        raise PariVisionError("the API key is unknown or was revoked")  # what the answer 401 says
    return found


def read_databases(home: Path) -> list[Any]:
    """The look at the files of MLflow and Dagster before they are used, and what is in them."""
    check_databases(Settings(home=home).resolved(), home / "dagster")
    return [[file.read_bytes() for file in sorted(home.glob(DATABASES))]]


DATABASES = "dagster/**/*s.db"
KINDS = (
    Stored("a lake file", "store/*/*raw*/*.parquet", shared.read_store),
    Stored("a warehouse file", "store/*/*processed*/*.parquet", shared.read_store, fold_again, named=("folded again",)),
    Stored("the store's meta.sqlite", "store/*/meta.sqlite", shared.read_store),
    Stored("the prediction log", "prediction_log/*.sqlite", shared.read_log),
    Stored("the file of API keys", "api_keys.json", read_keys, named=("api_keys.json", "API key is unknown")),
    Stored("VirtualBets' state", "virtual_bets/state.json", shared.read_state),
    Stored("VirtualBets' listing", "virtual_bets/*.jsonl", read_listing, list_again, named=("listed again",)),
)


def damaged(stored: Stored, damage: Damage) -> Inject:
    """Damage one file of the kind, read, let it be mended or put it back, and compare."""

    def inject(folder: Path, seed: int) -> Outcome:
        home, drawn = shared.copied(folder), Random(seed)
        expected = stored.read(home)
        file = drawn.choice(sorted(home.glob(stored.pattern)))
        sound = file.read_bytes()
        broken = damage(sound, drawn)
        file.unlink() if broken is None else file.write_bytes(broken)
        with shared.logged() as said:
            found = _read(stored, home, said)
            if stored.mend is not None:
                said.append(stored.mend(home))
            else:
                _put_back(file, sound)
        named = any(word in line for word in stored.named or (file.name, file.parent.name) for line in said)
        silent = 0 if found is None or stored.mend else shared.missing(expected, found)
        if broken is None and named:
            silent = 0  # the file isn't there, and the platform has said so
        after = stored.read(home)
        lost, twice = silent + shared.missing(expected, after), shared.twice(expected, after)
        reported = named or (found is not None and not shared.missing(expected, found))
        return Outcome(lost, twice, reported=reported, note="" if reported and not lost else f"{seed} {file}: {said}")

    return inject


def _read(stored: Stored, home: Path, said: list[str]) -> list[Any] | None:
    """What is read; None when it is refused, which is added to what was said."""
    try:
        return stored.read(home)
    except PariVisionError as error:
        said.append(str(error))
        return None


def _put_back(file: Path, sound: bytes) -> None:
    for beside in file.parent.glob(f"{file.name}-*"):  # SQLite's log and index, left by the last reading
        beside.unlink()
    file.write_bytes(sound)


@fault(len(KINDS))
def a_file_of_the_state_folder_is_gone(folder: Path, seed: int) -> Outcome:
    """Each kind of file once."""
    return damaged(KINDS[seed], remove)(folder, seed)


for _words, (_damage, _times) in DAMAGES.items():
    for _stored in KINDS:
        fault(_times, f"{_words}: {_stored.name}")(damaged(_stored, _damage))
fault(3, "cut in half: a database of MLflow or Dagster")(
    damaged(Stored("a database", DATABASES, read_databases, named=("database",)), cut)
)
