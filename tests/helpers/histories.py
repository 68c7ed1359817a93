"""Histories of commits that hide rows of earlier ones, and a plain model of what stands after them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import hypothesis.strategies as st

from parivision_core.records import Links
from parivision_core.store.base import Store
from tests.helpers.lake import DAYS, Shot, commit, make_shots, ordered


class Row(NamedTuple):
    """A stored row: the number of its commit, its address, and the shot."""

    n: int
    batch: str
    row: int
    shot: Shot


@dataclass(frozen=True)
class Step:
    """One commit. Positions count among the rows that stand, or, for `restored`, among those that don't."""

    new: int
    revised: list[int]
    removed: list[int]
    kept: list[int]
    withdrawal: bool
    restored: list[int]


_POSITIONS = st.lists(st.integers(0, 40), max_size=3, unique=True)
STEPS = st.lists(
    st.builds(
        Step,
        new=st.integers(0, 5),
        revised=_POSITIONS,
        removed=_POSITIONS,
        kept=_POSITIONS,
        withdrawal=st.booleans(),
        restored=_POSITIONS,
    ),
    min_size=2,
    max_size=5,
)


@dataclass
class Model:
    """What a store must hold."""

    batches: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    hides: list[tuple[int, str, int]] = field(default_factory=list)
    links: dict[str, Links] = field(default_factory=dict)

    def stands(self, row: Row) -> bool:
        """The rule: a later commit hides its address, or its own commit does under its own id."""
        by = [n for n, batch, number in self.hides if (batch, number) == (row.batch, row.row)]
        return not any(n > row.n or (n == row.n and row.batch == self.batches[n]) for n in by)

    def standing(self) -> list[Row]:
        """The rows that stand, in the order of their commits."""
        return [row for row in self.rows if self.stands(row)]

    def shots(self, batch: str | None = None) -> list[Shot]:
        """The shots that stand, newest first; with `batch`, of those that this commit stored."""
        return ordered([row.shot for row in self.standing() if batch in (None, self.batches[row.n])])

    def commit(self, store: Store, step: Step) -> None:
        """Commit a step, here and in the store."""
        n, batch, standing = len(self.batches), f"b{len(self.batches)}", self.standing()
        chosen = _chosen(standing, [*step.revised, *step.removed])
        made = make_shots(DAYS, step.new, n)
        hides: dict[str, list[int]] = {}
        for at, row in enumerate(chosen):
            hides.setdefault(row.batch, []).append(row.row)
            if at < len(step.revised) and not step.withdrawal:  # every other revision keeps its id
                made.append({**row.shot, "made": 1 - row.shot["made"], "_id": row.shot["_id"] + "r" * (at % 2)})
        repeats: dict[str, list[tuple[int, int]]] = {}
        for row in _chosen(standing, step.kept):
            repeats.setdefault(row.batch, []).append((row.row, 100 + row.row))
            if not step.withdrawal:
                made.append({**row.shot, "x": row.shot["x"] + 1})
                hides.setdefault(batch, []).append(len(made))
        stored = [Row(n, batch, number, shot) for number, shot in enumerate(made, start=1)]
        if step.withdrawal:
            gone = [row for row in self.rows if row not in standing]
            taken = {row.shot["_id"] for row in standing if row not in chosen} | {row.shot["_id"] for row in stored}
            for row in [*chosen, *_chosen(gone, step.restored)][: len(step.restored)]:
                if row.shot["_id"] not in taken:
                    taken.add(row.shot["_id"])
                    stored.append(row._replace(n=n))
        self.batches.append(batch)
        self.rows += stored
        self.hides += [(n, other, number) for other, numbers in hides.items() for number in numbers]
        self.links[batch] = Links(
            hides={other: sorted(set(numbers)) for other, numbers in hides.items()},
            repeats={other: sorted(pairs) for other, pairs in repeats.items()},
        )
        sent: list[dict[str, Any]] = [{**row.shot, "batch_id": row.batch, "row": row.row} for row in stored]
        commit(store, batch, sent, self.links[batch], ("b",) if step.withdrawal else ())


def written(store: Store) -> Model:
    """A store with a batch, one that revises, removes and keeps, and a withdrawal that brings some back."""
    model = Model()
    for step in (
        Step(new=12, revised=[], removed=[], kept=[], withdrawal=False, restored=[]),
        Step(new=3, revised=[0, 1], removed=[2], kept=[3], withdrawal=False, restored=[]),
        Step(new=0, revised=[], removed=[12], kept=[], withdrawal=True, restored=[0, 1]),
    ):
        model.commit(store, step)
    return model


def _chosen(rows: list[Row], positions: list[int]) -> list[Row]:
    """Rows at some positions, counted round and round, each once."""
    return [rows[at] for at in dict.fromkeys(position % len(rows) for position in positions)] if rows else []
