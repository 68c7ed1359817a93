"""Work that can be interrupted at any write: what it begins with, and what is read before and after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from benchmarks.faults import shared
from benchmarks.faults.dying import Job, place_of, worker
from tests.helpers.prediction_logs import one

INGESTED_AT = "ingested_at"
NEW_ROWS = 120
"""In the file that the filled state's store doesn't hold."""
NEW = [one(request={"x": 5, "y": n}) for n in range(4)]
"""Calls that are appended to the filled state's prediction log."""


@dataclass(frozen=True)
class Interrupted:
    """A kind of work on a state folder."""

    job: str
    writes: int
    """At how many of its writes it is killed."""
    prepared: Callable[[Path], tuple[Path, str]]
    """Makes the state folder in a folder; returns it, and the job's argument."""
    read: Callable[[Path], list[Any]]
    """What is there, before and after."""

    def found(self, home: Path) -> list[Any]:
        """What is there, without what may differ: times of commits, numbers of attempts, and the order."""
        return [_comparable(value) for value in self.read(home)]

    @cache  # noqa: B019 - there are six of them
    def whole(self, folder: Path) -> tuple[int, list[Any]]:
        """Writes of the work when nothing interrupts it, and what is there afterwards."""
        home, argument = self.prepared(folder / f"whole-{self.job}")
        (result,) = worker().do(Job(work=self.job, place=place_of(home), argument=argument))
        assert result.code == 0, result.error
        return result.writes, self.found(home)


def with_new_file(folder: Path) -> tuple[Path, str]:
    """A state folder, and an inbox with a file that its store doesn't hold."""
    home = shared.copied(folder)
    shared.season_file(home / "inbox" / "new.csv", games=2, seed=5, start="2022-11-20")
    return home, str(home / "inbox")


def with_new_shots(folder: Path) -> tuple[Path, str]:
    """A state folder with committed shots that aren't folded yet."""
    home, inbox = with_new_file(folder)
    shared.ingest_all(Path(inbox), shared.store_of(home))
    return home, ""


def _as_it_is(folder: Path) -> tuple[Path, str]:
    return shared.copied(folder), ""


def _with_new_calls(folder: Path) -> tuple[Path, str]:
    return shared.copied(folder), msgspec.json.encode(NEW).decode()


def _with_an_outcome(folder: Path) -> tuple[Path, str]:
    return shared.copied(folder), shared.calls()[-1].id


WORK = {
    "a commit": Interrupted("commit", 10, with_new_file, shared.read_store),
    "a publication": Interrupted("publish", 10, with_new_shots, shared.read_store),
    "a verdict": Interrupted("verdict", 4, _as_it_is, shared.read_store),
    "an append to the prediction log": Interrupted("log", 6, _with_new_calls, shared.read_log),
    "an outcome": Interrupted("outcomes", 6, _with_an_outcome, shared.read_log),
    "VirtualBets' state": Interrupted("state", 3, _as_it_is, shared.read_state),
}


def _comparable(value: Any) -> Any:
    if isinstance(value, list):
        return sorted(map(_blank, value), key=repr)
    if isinstance(value, pa.Table) and INGESTED_AT in value.column_names:
        return value.drop_columns([INGESTED_AT])
    return value


def _blank(item: Any) -> Any:
    names = {"committed_at": 0, "attempt": 1, "judged_at": 0}
    known = {name: blank for name, blank in names.items() if hasattr(item, name)}
    return msgspec.structs.replace(item, **known) if known else item
