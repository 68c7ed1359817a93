"""Batches become partitions, also when two processes add the same ones at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy

from parivision_assets.orchestration.partitions import add_batches
from parivision_core.nba.shots import NBA

ROUNDS = 10


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


def test_partitions_that_two_add_at_once_are_there_once(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """Each adds some that the other adds too, and one of its own; both look before either inserts.

    Each has an instance of its own, as another process has: one instance lets its threads in one by one.
    """
    together = threading.Barrier(2, timeout=30)
    errors: list[Exception] = []
    waited = threading.local()

    def both_have_looked(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("INSERT INTO dynamic_partitions") and not waited.yes:
            waited.yes = True
            together.wait()

    def adding(mine: str, instance: dg.DagsterInstance) -> None:
        for number in range(ROUNDS):
            waited.yes = False
            try:
                add_batches(instance, NBA, [f"shared {number}", f"{mine} {number}", f"common {number}"])
            except Exception as error:
                errors.append(error)

    other = dg.DagsterInstance.local_temp(str(tmp_path))
    threads = [threading.Thread(target=adding, args=pair) for pair in (("one", instance), ("two", other))]
    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", both_have_looked)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", both_have_looked)
        other.dispose()
    assert errors == []
    found = instance.get_dynamic_partitions("nba_batches")
    assert len(found) == len(set(found)) == 4 * ROUNDS


def test_one_that_another_adds_in_between_is_no_error(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[[str, Sequence[str]], None] = instance.add_dynamic_partitions
    tried: list[list[str]] = []

    def overtaken(name: str, keys: Sequence[str]) -> None:
        tried.append(list(keys))
        if len(tried) == 1:
            real(name, ["b"])
            raise RuntimeError("UNIQUE constraint failed")
        real(name, keys)

    monkeypatch.setattr(instance, "add_dynamic_partitions", overtaken)
    assert add_batches(instance, NBA, ["a", "b", "c"]) == ["b", "a", "c"]
    assert tried == [["a", "b", "c"], ["a", "c"]]


def test_another_error_is_raised_at_once(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    instance.add_dynamic_partitions("nba_batches", ["older"])
    tried: list[Sequence[str]] = []

    def full(_: str, keys: Sequence[str]) -> None:
        tried.append(keys)
        raise OSError("no space left on device")

    monkeypatch.setattr(instance, "add_dynamic_partitions", full)
    with pytest.raises(OSError, match="no space"):
        add_batches(instance, NBA, ["a"])
    assert len(tried) == 1
    assert add_batches(instance, NBA, []) == ["older"]
