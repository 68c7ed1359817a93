"""Ids of calls are UUIDs that ascend, whatever the clock does."""

from __future__ import annotations

import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from parivision_core.prediction_log.ids import Ids, first_at, made_at, name_of, new_id, parts_of


def test_an_id_is_a_uuid_of_version_7_and_states_its_time() -> None:
    before = time.time_ns() // 1_000_000
    text = new_id()
    after = time.time_ns() // 1_000_000
    assert str(uuid.UUID(text)) == text
    assert uuid.UUID(text).version == 7
    assert uuid.UUID(text).variant == uuid.RFC_4122
    assert before <= made_at(text) <= after + 1
    assert first_at(before) <= text < first_at(after + 2)


def test_ids_ascend_within_a_process_and_its_threads() -> None:
    def make(_: int) -> list[str]:
        return [new_id() for _ in range(5_000)]

    assert (alone := make(0)) == sorted(set(alone))
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(make, range(4)))
    assert all(ids == sorted(ids) for ids in together)
    assert len({one for ids in together for one in ids}) == 20_000


def test_ids_ascend_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = Ids()
    first = ids.new()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert ids.new() > first


def test_a_forked_process_makes_other_ids() -> None:
    ids = Ids()
    node = ids._node
    ids.reseed()
    assert ids._node != node
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.write(writing, new_id().encode())
        os._exit(0)
    os.wait()
    assert os.read(reading, 36).decode()[-12:] != new_id()[-12:]


def test_a_name_states_its_call_and_its_row() -> None:
    call = new_id()
    assert parts_of(name_of(call, None)) == (call, None)
    assert parts_of(name_of(call, 99_999)) == (call, 99_999)
    with pytest.raises(ValueError, match="invalid literal"):
        parts_of(f"{call}:x")


def test_another_uuid_is_no_id() -> None:
    with pytest.raises(ValueError, match="version 4"):
        made_at(str(uuid.uuid4()))
